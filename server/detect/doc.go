// Package detect answers detection requests, each a JSON text, with JSON texts.
//
// It knows nothing of gRPC: what is wrong with a request is an [Invalid], what
// kept it from being answered an [Unavailable].
//
// # Requests
//
// A request is an object. request_type is "TEXT", "TEXT_BATCH", "IMAGE" or
// "CRAWLER", or the number 1 to 4; request_id is any string, and comes back. The
// rest depends on the type:
//
//	{"request_type": "TEXT", "content": "..."}
//	{"request_type": "TEXT_BATCH", "contents": [{"id": "a", "content": "..."}]}
//	{"request_type": "IMAGE", "image": {"base64": "..."}}            or {"url": "..."}
//	{"request_type": "CRAWLER", "url": "...", "depth": 2, "max_pages": 20}
//	{"request_type": "CRAWLER", "graph": {"pages": [...], "links": [[0, 1], [1, 0]]}}
//
// id, depth (links from the first page; 0 by default) and max_pages (by default
// what the crawler allows) are optional. A field that is null counts as absent,
// since Python's json.dumps writes None so. A graph is a table of pages and pairs
// of indices into it, see [crawl.Graph]; it is judged without fetching anything.
//
// Requests are read strictly: unknown fields, fields of another type, keys given
// twice, text behind the object, text that is not UTF-8, halves of surrogate
// pairs, and everything that exceeds the [Limits] are violations. One error tells
// all of them, each with its path, such as contents[3].content; what is wrong
// with the text as a whole stands at "content", the field of the RPC's message
// that holds it. Only within a batch is a mistake the item's own: the other items
// are judged.
//
// # Answers
//
// An answer is {"code":0,"message":"ok","data":{...}}. In data, request_id and
// request_type come first, then:
//
//	TEXT        suggestion, label, score, hits
//	TEXT_BATCH  suggestion, label, score: the worst; results: one per item, in order, of
//	            {id, suggestion, label, score, hits} or {id, error: {field, message}}
//	IMAGE       suggestion, label, score, hits, image: {format, width, height, phash, qr}
//	CRAWLER     suggestion, label, score, hits: those of the worst page; page: its index;
//	            graph: {pages, links}
//
// suggestion is pass, review or block, score is in [0, 1], and a hit is {rule,
// span, text} with the span in code points, see [verdict.Verdict].
//
// Where the parts of a request are answered one by one ([Detector.Each]), the
// data of an item or page is: index, then what stands in results or pages. A
// [Summary] has requests, suggestion, label, score (the worst), counts {pass,
// review, block}, and results of {request_id, request_type, suggestion, label,
// score}.
//
// With an [Upstream], requests are read as strictly, and then sent there as they
// are; its answers are passed on as they are. A batch that is answered part by
// part is sent as one TEXT request per item, with the item's id as its request_id.
package detect
