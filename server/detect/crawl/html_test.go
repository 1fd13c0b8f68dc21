package crawl

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// here is where the pages of these tests are.
func here(t testing.TB) address {
	t.Helper()
	at, err := parse("http://a.example/dir/page")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestExtract(t *testing.T) {
	for _, row := range []struct{ name, page, title, text string }{
		{"white space", "<title> a\n b </title><p>  c\t d\n\n<p>e", "a b", "c d\ne"},
		{"inline elements, which do not split words", "加<b>微</b><i>信</i>v<span>x</span>", "", "加微信vx"},
		{"blocks, which do", "<td>a</td><td>b</td><li>c<br>d<hr>e", "", "a\nb\nc\nd\ne"},
		{"entities", "&lt;b&gt; &amp;amp; &#x52a0;&nbsp;x", "", "<b> &amp; 加 x"},
		{"scripts and styles", "a<script>b</script>c<style>d</style>e", "", "a\nc\ne"},
		{"a script that seems to end early", `a<script>"<p>b</p>"</script>c`, "", "a\nc"},
		{"a script that never ends", "a<script>b<p>c", "", "a"},
		{"a comment", "a<!-- b -->c", "", "ac"},
		{"what is there for readers without scripts", "<noscript><p>a <img alt=b></p></noscript>c", "", "a\nb\nc"},
		{"what old browsers see instead of a frame", "a<iframe src=x><p>b</iframe>c", "", "a\nc"},
		{"texts in attributes", `a<img alt=b title=c><input placeholder="d  e" alt=""><a title=f>g</a>`, "", "a\nb\nc\nd e\nf\ng"},
		{"texts for search engines", `<meta name=Description content=a><meta name=keywords content="b, c"><meta name=author content=d>e`, "", "a\nb, c\ne"},
		{"the first of two titles", "<title>a</title><svg><title>b</title></svg>", "a", "b"},
		{"a title without an end", "<title>a<p>b", "a<p>b", ""},
		{"the first of two equal attributes", "<img alt=a alt=b>", "", "a"},
		{"a text area", "<textarea> a <b> </textarea>", "", "a <b>"},
		{"a tag that is cut off", "a <img alt='b", "", "a"},
		{"no markup", "a", "", "a"},
		{"nothing", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := extract(row.page, here(t))
			if got.title != row.title || got.text != row.text {
				t.Errorf("extract(%q) = %q, %q, want %q, %q", row.page, got.title, got.text, row.title, row.text)
			}
		})
	}
}

func TestExtractLinks(t *testing.T) {
	for _, row := range []struct {
		name, page    string
		links, images []string
		base          string
	}{
		{"links in order, as written", `<a href="b">x</a><area href=" a#x"><a name=n><a href>`, []string{"b", " a#x", ""}, nil, "http://a.example/dir/page"},
		{"frames", "<frame src=a><iframe src=b></iframe>", []string{"a", "b"}, nil, "http://a.example/dir/page"},
		{"a refresh", `<meta http-equiv=refresh content="3;url=a">`, []string{"a"}, nil, "http://a.example/dir/page"},
		{"a refresh in quotes", `<meta http-equiv=refresh content='0; URL = "a"'>`, []string{"a"}, nil, "http://a.example/dir/page"},
		{"a refresh of the page itself", "<meta http-equiv=refresh content=3>", nil, nil, "http://a.example/dir/page"},
		{"pictures", "<img src=a><img src=><img><noscript><img src=b></noscript>", nil, []string{"a", "b"}, "http://a.example/dir/page"},
		{"the first base", `<base target=x><base href="/x/"><base href="/y/">`, nil, nil, "http://a.example/x/"},
		{"a base on another host", `<base href="//b.example">`, nil, nil, "http://b.example/"},
		{"a base that means nothing", `<base href="mailto:x"><base href="/y/">`, nil, nil, "http://a.example/dir/page"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := extract(row.page, here(t))
			if diff := cmp.Diff([][]string{row.links, row.images, {row.base}}, [][]string{got.links, got.images, {got.base.String()}}); diff != "" {
				t.Errorf("links, images and base (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExtractBounds(t *testing.T) {
	page := strings.Repeat("<a href=x>y</a><img src=z>", 3000) + "<title>" + strings.Repeat("加", 1000) + "</title>" + strings.Repeat("word ", maxText/4)
	got := extract(page, here(t))
	if len(got.links) != maxLinks || len(got.images) != maxPageImages {
		t.Errorf("%d links and %d pictures", len(got.links), len(got.images))
	}
	if len(got.title) > maxTitle || len(got.text) > maxText || !got.cut || !utf8.ValidString(got.title) {
		t.Errorf("%d bytes of title, %d of text, cut %v", len(got.title), len(got.text), got.cut)
	}
}

// A tree builder would take quadratic time, or refuse, where elements are
// nested this deeply.
func TestDeepNesting(t *testing.T) {
	if got := extract(strings.Repeat("<div><b>", 100_000)+"end", here(t)); got.text != "end" {
		t.Errorf("text %q", got.text)
	}
}

func TestCharsets(t *testing.T) {
	const chinese = "加微信领红包，免费送"
	gbk := func(s string) string { out, _ := simplifiedchinese.GBK.NewEncoder().String(s); return out }
	big5, _ := traditionalchinese.Big5.NewEncoder().String("免費送紅包")
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("無料でもらえる")
	latin, _ := charmap.Windows1252.NewEncoder().String("déjà vu à la carte")
	utf16, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(chinese)
	for _, row := range []struct{ name, header, body, want string }{
		{"GBK by the header", "text/html; charset=gbk", gbk(chinese), chinese},
		{"GB2312 by the header", "text/html; charset=gb2312", gbk(chinese), chinese},
		{"GBK by the page", "text/html", `<meta charset="gbk">` + gbk(chinese), `<meta charset="gbk">` + chinese},
		{"GBK by the page, the old way", "text/html", `<meta http-equiv="Content-Type" content="text/html; charset=GBK">` + gbk(chinese), `<meta http-equiv="Content-Type" content="text/html; charset=GBK">` + chinese},
		{"the header over the page", "text/html; charset=gbk", `<meta charset="big5">` + gbk(chinese), `<meta charset="big5">` + chinese},
		{"GB2312 that nobody declares", "text/html", gbk(chinese), chinese},
		{"GB2312 that nobody declares, after a long head", "text/html", strings.Repeat(" ", 2000) + gbk(chinese), strings.Repeat(" ", 2000) + chinese},
		{"Big5", "text/html; charset=big5", big5, "免費送紅包"},
		{"Shift JIS", "text/html; charset=shift_jis", sjis, "無料でもらえる"},
		{"UTF-8 that nobody declares", "text/html", chinese, chinese},
		{"UTF-8 that nobody declares, after a long head", "text/html", strings.Repeat(" ", 2000) + chinese, strings.Repeat(" ", 2000) + chinese},
		{"UTF-8 that is cut off in a character", "text/html", (chinese + "红")[:len(chinese)+1], chinese + "\ufffd"},
		{"UTF-8 with a mark", "text/html", "\ufeff" + chinese, chinese},
		{"UTF-8 by the header, and bytes that are not", "text/html; charset=utf-8", "a\xffb", "a\ufffdb"},
		{"UTF-16 by its mark", "text/html", utf16, chinese},
		{"Western that nobody declares", "text/html", latin, "déjà vu à la carte"},
		{"an encoding that nobody knows", "text/html; charset=klingon", chinese, chinese},
		{"ASCII", "", "plain", "plain"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := (&answer{header: row.header, body: []byte(row.body)}).text()
			if got != row.want {
				t.Errorf("text = %q, want %q", got, row.want)
			}
		})
	}
}

func TestNormal(t *testing.T) {
	for _, row := range []struct{ name, raw, want string }{
		{"as it is", "http://a.example/b?c=d", "http://a.example/b?c=d"},
		{"capitals in scheme and host only", "HTTP://A.Example/B", "http://a.example/B"},
		{"the port that goes without saying", "http://a.example:80/", "http://a.example/"},
		{"that of https", "https://a.example:443/", "https://a.example/"},
		{"that of the other scheme", "http://a.example:443/", "http://a.example:443/"},
		{"no path", "http://a.example?q", "http://a.example/?q"},
		{"a fragment", "http://a.example/#x", "http://a.example/"},
		{"a user", "http://u:p@a.example/", "http://a.example/"},
		{"white space around it", " http://a.example/\n", "http://a.example/"},
		{"IPv6", "http://[::1]:80/", "http://[::1]/"},
		{"Chinese", "http://a.example/中文?问", "http://a.example/%E4%B8%AD%E6%96%87?问"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := parse(row.raw)
			if err != nil || got.String() != row.want {
				t.Fatalf("parse(%q) = %v, %v, want %s", row.raw, got, err, row.want)
			}
			if again, err := parse(got.String()); err != nil || again.String() != row.want {
				t.Errorf("the normal form of %s is %v, %v", got, again, err)
			}
		})
	}
}

// FuzzExtract holds that any bytes give valid, bounded and tidy text, in any
// encoding, and that links that resolve have one normal form.
func FuzzExtract(f *testing.F) {
	f.Add("text/html", []byte("<title>a</title><p>b <a href='/c#d'>e</a><img src=f alt=g>"))
	f.Add("text/html; charset=gbk", []byte("<base href=//b><meta http-equiv=refresh content='0;url=x'>\xbc\xd3"))
	f.Add("", []byte("<script><noscript><textarea></b><a href=http://A:80/../b>"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		page := (&answer{header: header, body: body}).text()
		doc := extract(page, here(t))
		if !utf8.ValidString(doc.text) || !utf8.ValidString(doc.title) || len(doc.text) > maxText || len(doc.title) > maxTitle {
			t.Errorf("text %q, title %q", doc.text, doc.title)
		}
		if again, _ := tidy(doc.text); again != doc.text {
			t.Errorf("text %q is not tidy: %q", doc.text, again)
		}
		for _, raw := range doc.links {
			to, err := doc.base.resolve(raw)
			if err != nil {
				continue
			}
			if again, err := parse(to.String()); err != nil || again.String() != to.String() {
				t.Errorf("link %q: the normal form of %s is %v, %v", raw, to, again, err)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	page := strings.Repeat(`<div class="x"><p>Some words &amp; more <a href="/link">here</a>.</p></div>`, 1000)
	at := here(b)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		extract(page, at)
	}
}

func Example_extract() {
	at, _ := parse("http://a.example/")
	doc := extract(`<title>Tea</title><p>加<b>微</b>信</p><a href="/x">more</a>`, at)
	fmt.Printf("%q %q %q\n", doc.title, doc.text, doc.links)
	// Output:
	// "Tea" "加微信\nmore" ["/x"]
}
