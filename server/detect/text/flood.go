package text

import "strings"

const (
	minPeriod  = 2
	maxPeriod  = 32
	minFlooded = 24 // letters that repeated phrases have to fill
	minLine    = 4  // letters of a line that can be repeated
)

// The kinds of repetition, as offsets from flood.rule.
const (
	floodRun = iota
	floodPhrase
	floodLine
)

// findRepetition collects the matches of the repetition block.
func (j *Judge) findRepetition(rd *reading) {
	f := j.rules.flood
	if f == nil {
		return
	}
	record := func(kind, start, end int) {
		phrase := len(j.rules.phrases) + len(j.rules.patterns) + kind
		rd.matches = append(rd.matches, match{start: int32(start), end: int32(end), rule: int32(f.rule + kind), phrase: int32(phrase)})
	}
	if f.run > 0 {
		f.findRuns(rd.letters, record)
	}
	if f.phrase > 0 && mayRepeat(rd.letters, f.phrase) {
		findPeriods(rd.letters, f.phrase, record)
	}
	if f.line > 0 {
		f.findLines(rd.letters, record)
	}
}

// findRuns records the same character in a row.
func (f *flood) findRuns(letters []letter, record func(kind, start, end int)) {
	start := 0
	for i := 1; i <= len(letters); i++ {
		if i < len(letters) && letters[i].r == letters[start].r {
			continue
		}
		if i-start >= f.run && !ruler(letters[start].r) {
			record(floodRun, start, i)
		}
		start = i
	}
}

// ruler reports whether a character is drawn in rows: lines, tables, leaders.
func ruler(r rune) bool { return strings.ContainsRune(" \n\r-_=.*~#+|/\\…─━│<>", r) }

// mayRepeat reports whether the letters can hold a phrase of up to maxPeriod
// letters repeated back to back. Each position of such a stretch, but for the
// first period, has seen its last three letters at most maxPeriod before. The
// table forgets only by putting a nearer place in the slot, so the answer is
// never wrongly no.
func mayRepeat(letters []letter, times int) bool {
	need := minFlooded
	for p := minPeriod; p <= maxPeriod; p++ {
		need = min(need, max(minFlooded, p*times)-p-2)
	}
	var seen [256]int32 // by a hash of three letters: where they ended, plus 1
	streak := 0
	for i := 2; i < len(letters); i++ {
		h := (letters[i].r*7 + letters[i-1].r*31 + letters[i-2].r*101) & 255
		if at := seen[h]; at > 0 && i+1-int(at) <= maxPeriod {
			if streak++; streak >= need {
				return true
			}
		} else {
			streak = 0
		}
		seen[h] = int32(i + 1)
	}
	return false
}

// findPeriods records stretches that repeat themselves after p letters, for
// every p, and hold more than one character.
func findPeriods(letters []letter, times int, record func(kind, start, end int)) {
	for p := minPeriod; p <= maxPeriod; p++ {
		same := 0 // letters in a row that equal the one p before
		for i := p; i <= len(letters); i++ {
			if i < len(letters) && letters[i].r == letters[i-p].r {
				same++
				continue
			}
			if start := i - same - p; same+p >= max(minFlooded, p*times) && !monotone(letters[start:start+p]) {
				record(floodPhrase, start, i)
			}
			same = 0
		}
	}
}

// monotone reports whether the letters are all the same, or all of them such
// as rulers are made of.
func monotone(letters []letter) bool {
	same, ruled := true, true
	for _, l := range letters {
		same = same && l.r == letters[0].r
		ruled = ruled && ruler(l.r)
	}
	return same || ruled
}

// findLines records the line that makes the same line occur too often.
func (f *flood) findLines(letters []letter, record func(kind, start, end int)) {
	breaks := 0
	for _, l := range letters {
		if l.class == line {
			breaks++
		}
	}
	if breaks+1 < f.line {
		return
	}
	seen := map[string]int{}
	start := 0
	for i := range len(letters) + 1 {
		if i < len(letters) && letters[i].class != line {
			continue
		}
		text := strings.Trim(spellLetters(letters[start:i]), " ")
		if seen[text]++; seen[text] == f.line && i-start >= minLine && !monotone(letters[start:i]) {
			record(floodLine, start, i)
		}
		start = i + 1
	}
}
