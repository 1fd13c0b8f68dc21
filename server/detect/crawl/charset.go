package crawl

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// text returns the body of a page in valid UTF-8, without a byte order mark.
func (a *answer) text() string {
	return strings.ToValidUTF8(strings.TrimPrefix(a.decoded(), "\ufeff"), "\ufffd")
}

// decoded returns the body in UTF-8. What the page declares is believed. Of
// one that declares nothing, all of it is looked at, not only its head.
func (a *answer) decoded() string {
	enc, name, certain := charset.DetermineEncoding(a.body, a.header)
	switch {
	case certain && name != "utf-8":
	case utf8.Valid(whole(a.body)), name == "utf-8":
		return string(a.body)
	case gb2312(a.body):
		enc = simplifiedchinese.GB18030
	}
	out, err := enc.NewDecoder().Bytes(a.body)
	if err != nil {
		return string(a.body) // decoders replace what they do not know; none gives up
	}
	return string(out)
}

// whole cuts off a character that the byte limit has split.
func whole(body []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax-1, len(body)); i++ {
		if tail := body[len(body)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return body[:len(body)-i]
			}
			break
		}
	}
	return body
}

// gb2312 reports whether undeclared bytes that are not UTF-8 are likely to be
// GB 2312 Chinese: each byte above ASCII belongs to a pair of them. In a
// Western encoding an accented letter mostly stands alone.
//
// The wider GBK has second bytes that look like ASCII, and Western text would
// pass for it. Old Chinese pages that declare nothing rarely need them.
func gb2312(body []byte) bool {
	pairs := 0
	for i := 0; i < len(body); i++ {
		if body[i] < 0x80 {
			continue
		}
		if i+1 == len(body) {
			break // split by the byte limit
		}
		if body[i] < 0xa1 || body[i] > 0xf7 || body[i+1] < 0xa1 || body[i+1] > 0xfe {
			return false
		}
		i++
		pairs++
	}
	return pairs > 0
}
