package text

import (
	"fmt"
	"strings"
	"testing"
)

// paragraphs are ordinary texts with what usually sets filters off: digits, a
// name of an app, a price.
var paragraphs = map[string]string{
	"zh": "周末和家人去郊外爬山，早上七点出发，路上有点堵，到山脚已经九点多了。山不算高，一共一千二百级台阶，孩子走走停停，中午才到山顶。" +
		"我们在亭子里吃了自己带的饭团和水果，远处能看见水库和2座新修的桥。下山走的是另一条路，树荫很密，一点也不晒。停车费10元，可以用微信支付，门口的小店卖凉茶和玉米。" +
		"回到家大家都累了，洗完澡看了一会儿电视就睡了。下个月想去看枫叶，听说十月二十号左右最好看，到时候再约几个朋友一起。",
	"en": "We hiked up the hill behind the village on Saturday. The path was steeper than I remembered, but the view over the lake " +
		"made up for it. It cost 10 to park, and the kiosk sold lemonade.",
}

// evil is what runs everything: keywords, heads, patterns, repetition.
const evil = "澳门赌场在线开户，加微信 abc_12345，电话 138-0013-8000，卡号 4111 1111 1111 1111，https://a.example/x。"

func cutTo(text string, chars int) string {
	runes := []rune(strings.Repeat(text, chars/len([]rune(text))+1))
	return string(runes[:chars])
}

func BenchmarkJudge(b *testing.B) {
	judge := New(DefaultRules())
	texts := map[string]string{"zh": paragraphs["zh"], "en": paragraphs["en"], "spam": evil}
	for _, lang := range []string{"zh", "en", "spam"} {
		for _, chars := range []int{200, 10_000} {
			b.Run(fmt.Sprintf("lang=%s/chars=%d", lang, chars), func(b *testing.B) {
				text := cutTo(texts[lang], chars)
				if v := judge.Judge(text); (lang == "spam") != (len(v.Hits) > 0) {
					b.Fatalf("Judge(%.60q...) = %v", text, v)
				}
				b.ReportAllocs()
				for b.Loop() {
					judge.Judge(text)
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(DefaultRules())
	}
}
