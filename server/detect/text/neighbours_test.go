package text

import (
	"testing"

	"touchstone/server/detect/verdict"
)

// TestNeighboursOfSpamPass keeps the default rules from growing keywords that
// ordinary sentences hold.
func TestNeighboursOfSpamPass(t *testing.T) {
	judge := New(DefaultRules())
	for _, text := range []string{
		"孩子们在操场上投篮，赔率？没有，就是玩。",
		"这个月的房贷利率又降了，银行客户经理打电话来说明。",
		"麻烦把验证码输入框的宽度调一下，现在太窄。",
		"他在微信群里发了会议链接，稍后转给你。",
		"新闻：警方破获一起网络赌博案，抓获嫌疑人十二名。",
		"我们学校的兼职辅导员下周来报到。",
		"看片场的照片，演员很敬业",
		"她在弹帕赫贝尔的卡农，旁边放着一盒白粉笔。",
		"这款手机的跑分平台有三个，结果差不多。",
		"我们为老年人提供特殊服务。",
		"网吧包夜的价格涨了。",
		"理财产品不保证收益，日收益率仅供参考。",
		"他买彩票中了大奖，把钱捐给了学校。",
		"教我们怎么识别假币，银行柜台都有宣传册。",
		"手术用的是芬太尼，麻醉医生全程在场。",
		"废物利用，把旧瓶子做成花盆。",
		"你的快递到了，取件码 3-2-1024，请及时领取",
		"Order now shows status 'shipped'.",
		"Shut up and take my money, great meme",
		"Don't get lost in the forest, take the map.",
		"Please verify your account settings before the release.",
		"I bought a gift card for my sister's birthday.",
		"Write your seed phrase on paper and keep it safe.",
		"House for sale, three bedrooms, no agents.",
		"We should discount the outliers in the data.",
		"The naked truth about compilers",
		"See RFC 9110 section 15.5.9 and issue 4111111",
		"Use it at 50mg a day, the doctor said.",
		"Sold for £500 a week before the auction.",
	} {
		if v := judge.Judge(text); v.Suggestion != verdict.Pass {
			t.Errorf("Judge(%q) = %s %s %v, want pass", text, v.Suggestion, v.Label, v.Hits)
		}
	}
}

// TestSpamThatTheFixturesDoNotHave was written after the rules, and judged them
// before it changed them.
func TestSpamThatTheFixturesDoNotHave(t *testing.T) {
	judge := New(DefaultRules())
	for text, label := range map[string]string{
		"加我v信：abc88888有福利":                                   "contact",
		"老司机带你看美女私密直播":                                       "adult",
		"诚信棋牌，充100送50，随时提现":                                  "gambling",
		"低价出售各类烟酒发票，量大从优":                                    "ad",
		"兼职打字，一天200，无需经验，日结":                                 "ad",
		"贷款秒批，无需征信，加Q 123456":                                "contact",
		"ｃｌｉｃｋ　ｈｅｒｅ to get rich quick":                       "ad",
		"Earn up to $2,000 a week from home!!!":              "ad",
		"cheap meds no prescription overnight delivery":      "contraband",
		"Your PayPal account will be limited, verify it now": "fraud",
		"win a free iphone, claim your prize now":            "fraud",
		"f.u.c.k you": "abuse",
	} {
		if v := judge.Judge(text); v.Label != label {
			t.Errorf("Judge(%q) = %s %s %v, want %s", text, v.Suggestion, v.Label, v.Hits, label)
		}
	}
}
