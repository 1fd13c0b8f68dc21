// Package text judges texts by a rule file, in Chinese and English, whatever
// has been done to the letters to get past it.
//
// # Reading
//
// A text is read in two forms, both of which know for every character which
// code points of the original it stands for:
//
//   - Folded text: compatibility decomposition without marks (which compares
//     like NFKC without marks), invisible characters dropped, look-alikes of
//     other alphabets and variants of Han characters as what they look like,
//     lower case, every digit an ASCII digit. Patterns meet this form.
//   - Tight text: folded text without separators, each character knowing the
//     gap before it. Keywords meet this form, all of them in one pass. A find
//     counts if its gaps are such as words can have: punctuation anywhere
//     ("vi.agra"), white space within scripts that write none (赌 博) and where
//     the keyword has some, and anything if every single character is set apart
//     ("b, u, y"). It may not cut a word or a number in two, nor span more than
//     eight separators in a row. Where Latin words have digits in them, the
//     tight text is read a second time with the digits as letters ("cas1no").
//
// # Rule file
//
// A rule file is YAML. Unknown fields, expressions that RE2 refuses, names
// given twice and the like are errors that point to their place.
//
//	version: 1
//	thresholds: {review: 0.5, block: 0.8}     # the defaults
//	labels:                                   # in order of precedence
//	  gambling: {suggestion: block, weight: 0.9}
//	  contact: {suggestion: review, weight: 0.6, aggravates: 0.4}
//	rules:
//	  - name: gambling/sites                  # what hits are reported under
//	    label: gambling
//	    weight: 0.9                           # in (0, 1]; default: the label's
//	    keywords: [网上赌场, "online casino*"]  # "*": may start or end inside a word
//	    patterns:
//	      - 'a?b+'                            # RE2, on folded text
//	      - regexp: '[0-9]{16}'
//	        check: luhn                       # or resident-id: the digits have to fit
//	      - regexp: ' ?[0-9]{6,}'
//	        after: [qq]                       # only right behind one of these keywords
//	allow:                                    # contexts that excuse
//	  - name: allow/news
//	    phrases: [警方, police]
//	    excuses: [gambling]                   # labels and rules
//	    reach: 24                             # letters between phrase and hit; 0: they overlap
//	repetition: {label: flood, weight: 0.6, run: 16, phrase: 5, line: 5}
//
// If a pattern has a group, the first one is the hit. Like a keyword, a hit of a
// pattern may not cut a word or a number in two. Repetition is the same
// character `run` times, the same 2 to 32 characters `phrase` times back to
// back and filling at least 24, or the same line `line` times; it is reported
// under repetition/run, repetition/phrase and repetition/line.
//
// # Verdict
//
// Hits of one rule that overlap count as the leftmost, then longest, of them.
// Each different phrase or pattern that hits counts once, up to four of a rule.
// A label's score is
//
//	1 - product of (1 - weight) over what counts
//
// so that weak evidence adds up and never exceeds 1. A label that aggravates
// (a contact by itself is no crime, but makes an advertisement worse) multiplies
// one more factor, 1 - aggravates * its own score, into every other label that
// has evidence of its own.
//
// A score from `block` on leads to the label's suggestion, one from `review` on
// to review, a lower one to pass. The verdict is that of the label with the most
// severe suggestion, then the highest score, then the first place in the file. A
// text that passes is "normal", with the highest score there was. At most 100
// hits are listed.
package text
