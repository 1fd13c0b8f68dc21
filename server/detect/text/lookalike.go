package text

// lookalikes returns the characters that are read as another: letters of other
// alphabets that look like Latin ones, and Han characters that are variants of
// another one. What NFKC already unifies (full-width, circled, mathematical
// letters) is not listed.
//
// Upper and lower case are listed apart, since they look like different
// letters: capital eta is an H, small eta an n.
func lookalikes() map[rune]rune {
	m := map[rune]rune{}
	for _, pairs := range []string{cyrillic, greek, otherScripts, latinVariants, symbols, hanVariants} {
		runes := []rune(pairs)
		for i := 0; i+1 < len(runes); i += 2 {
			m[runes[i]] = runes[i+1]
		}
	}
	for i := range rune(26) {
		m[0x1F150+i] = 'a' + i // negative circled
		m[0x1F170+i] = 'a' + i // negative squared
		m[0x1F1E6+i] = 'a' + i // regional indicators
	}
	return m
}

// The tables are pairs: a character, and the one it is read as.
const (
	cyrillic = "АaаaВbвbСcсcЕeеeНhнhІiіiЈjјjКkкkМmмmОoоoРpрpЅsѕsТtтtУyуyҮyүyХxхxҺhһhԁdԛqԜwԝwѡwѵvѴvӀiӏlԌgԍgәeӘeґrгrпnиuҝkӄkҽeөoѲoѳo"

	greek = "ΑaαaΒbβbΕeεeΖzΗhηnΙiιiΚkκkΜmΝnνvΟoοoΡpρpΤtτtΥyυuΧxχxωwϳjГrγyδdθo"

	// Armenian, Cherokee, Georgian, Coptic, Lisu.
	otherScripts = "օoսuոnհhցgզqԼlյjᎪaᏴbᏟcᎠdᎬeᎻhᎥiᎫjᏦkᏞlᎷmᏢpᎡrᏚsᎢtᏙvᎳwᏃzᎩyⲀaⲂbⲤcⲈeⲎhⲒiⲔkⲘmⲚnⲞoⲢpⲦtⲬxꓐbꓚcꓓdꓰeꓝfꓖgꓧhꓲiꓙjꓗkꓡlꓟmꓠnꓳoꓑpꓣrꓢsꓔtꓴuꓦvꓪwꓫxꓬyꓜz"

	latinVariants = "ɑaɐaƅbɓbƀbƈcƌdɖdɗdđdĐdɛeɘeəeǝeƒfɡgɢgɠgǥgɦhħhĦhıiɩiɪiɨiʝjɟjƙkʟlłlŁlƚlɭlɱmɴnŋnƞnɲnøoØoɔoɵoƥpʠqɋqʀrɍrɾrɼrʂsꜱsƨsŧtŦtƭtʈtʉuʊuʋvʌvʍwɯmʏyɏyƴyƶzʐzᴀaʙbᴄcᴅdᴇeꜰfʜhᴊjᴋkᴍmᴏoᴘpᴛtᴜuᴠvᴡwᴢz"

	symbols = "₡c₦n₩w∂a∩n∪u⊂c∨v×x✕x✖x⁄/∕/⧸/‐-‒-–-—-―-−-∶:։:ⵓ:꞉:‚,·.•.∙.⋅.・.●.◦.‧."

	// Traditional characters, and rare ones that stand in for a common one,
	// as far as words of rule files are made of them.
	hanVariants = "賭赌錢钱馬马網网線线號号碼码電电話话聯联繫系係系絡络發发髮发開开關关門门問问間间們们個个這这裡里裏里說说請请讓让還还進进遠远過过運运達达選选遊游戲戏戯戏樂乐獎奖奬奖領领頭头貸贷貨货購购買买賣卖價价費费貴贵財财資资贏赢輸输賺赚賬账帳账賠赔貼贴" +
		"賓宾質质賴赖贈赠證证証证認认識识詐诈騙骗誘诱許许論论設设訪访詢询該该詳详語语誤误調调談谈諮咨課课謝谢譯译護护讀读變变銀银鈔钞鐵铁鋼钢鎗枪槍枪彈弹藥药葯药癮瘾療疗醫医學学歷历曆历業业務务專专東东車车軍军輕轻較较輪轮轉转辦办邊边連连週周逕径適适" +
		"遲迟郵邮鄉乡鄰邻醜丑釋释針针鎖锁錄录錯错鍵键鏈链鏡镜鑽钻長长閉闭閒闲陽阳陰阴陳陈隊队階阶際际隨随險险雙双雜杂雞鸡離离難难雲云霧雾靈灵靜静項项順顺須须預预頁页頂顶題题額额願愿類类顯显風风飛飞飯饭飲饮館馆驗验驚惊體体鬥斗魚鱼鮮鲜點点黨党齊齐齡龄" +
		"龍龙龜龟萬万與与兩两嚴严喪丧豐丰臨临麗丽舉举義义烏乌習习書书亂乱爭争虧亏亞亚產产親亲億亿僅仅從从倉仓儀仪眾众優优會会傘伞偉伟傳传傷伤倫伦偽伪餘余傭佣傾倾僑侨償偿儲储兒儿內内冊册寫写農农馮冯衝冲決决況况凍冻淨净準准涼凉減减湊凑幾几鳳凤憑凭凱凯" +
		"擊击劃划劉刘則则剛刚創创刪删別别劑剂勵励勞劳勢势動动勁劲勝胜區区華华協协單单廠厂厭厌縣县參参葉叶嘆叹籲吁嗎吗啟启員员喚唤囑嘱團团園园圍围國国圖图圓圆聖圣場场壞坏塊块堅坚壇坛壓压墜坠聲声處处備备復复複复夠够夾夹奪夺奮奋婦妇媽妈嬌娇孫孙宮宫寬宽" +
		"審审寶宝實实寵宠對对尋寻導导壽寿將将爾尔塵尘嘗尝盡尽層层屬属歲岁島岛峽峡幣币帥帅師师帶带幫帮廣广莊庄慶庆庫库應应廟庙廢废異异棄弃張张彌弥彎弯強强歸归當当徵征徑径後后憶忆態态憐怜總总戀恋惡恶惱恼悅悦懸悬慘惨慣惯憤愤懶懒戰战戶户撲扑執执擴扩掃扫" +
		"揚扬擾扰撫抚拋抛搶抢報报擔担擬拟擁拥擇择掛挂揮挥撈捞損损換换據据攜携數数敵敌斷断無无舊旧時时晝昼晉晋曬晒曉晓暫暂術术機机殺杀權权條条來来極极構构標标棧栈樹树樣样橋桥檢检櫃柜歐欧殘残氣气漢汉湯汤溝沟沒没淚泪澤泽潔洁濟济渾浑濃浓濕湿溫温灣湾滅灭" +
		"燈灯爐炉煙烟煩烦燒烧熱热愛爱爺爷牆墙獨独獲获獵猎環环現现瑪玛瓊琼瘋疯癡痴皺皱監监盤盘眞真睜睁矯矫礦矿磚砖禮礼禍祸種种積积稱称穩稳窮穷竊窃競竞筆笔籌筹簽签簡简糧粮緊紧糾纠紅红約约級级紀纪純纯納纳紙纸紛纷細细組组終终經经給给絕绝統统繼继續续維维" +
		"綠绿緣缘編编縮缩繳缴罰罚羅罗聞闻職职聽听肅肃腸肠膚肤腫肿脅胁膽胆臉脸腦脑腳脚臟脏艦舰藝艺節节蘇苏薦荐蕩荡營营藍蓝虛虚蟲虫補补裝装褲裤見见規规視视覺觉觀观觸触託托訂订計计討讨訊讯記记講讲訓训評评詞词試试詩诗誠诚豬猪貓猫跡迹踐践徽微薇微溦微嶶微" +
		"丅t厶么囍喜"
)
