package detect

import (
	"encoding/json"
	"fmt"
	"strings"

	"touchstone/server/detect/crawl"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// response is the JSON text of every answer.
type response struct {
	Code    int    `json:"code"` // 0: what is wrong is told by the RPC's status
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// head begins the data of every answer to a request.
type head struct {
	RequestID   string `json:"request_id"`
	RequestType string `json:"request_type"`
}

func (r *request) head() head { return head{r.id, r.kind.String()} }

// standing is a verdict without its reasons.
type standing struct {
	Suggestion verdict.Suggestion `json:"suggestion"`
	Label      string             `json:"label"`
	Score      float64            `json:"score"`
}

func standingOf(v verdict.Verdict) standing { return standing{v.Suggestion, v.Label, v.Score} }

// The data of the answers, by request type.
type (
	textData struct {
		head
		verdict.Verdict
	}
	batchData struct {
		head
		standing
		Results []result `json:"results"`
	}
	imageData struct {
		head
		image.Result
	}
	siteData struct {
		head
		verdict.Verdict              // the worst of the pages'
		Page            int          `json:"page"` // whose it is
		Graph           *crawl.Graph `json:"graph"`
	}
)

// The data of one part of a request, where each part is answered by itself.
type (
	itemData struct {
		head
		Index int `json:"index"` // of the item
		result
	}
	pageData struct {
		head
		Index int `json:"index"` // of the page, as the links of a graph name it
		crawl.Page
	}
)

// result is the outcome for one item of a batch: a verdict or an error.
type result struct {
	ID string `json:"id"`
	*verdict.Verdict
	Error *itemError `json:"error,omitempty"`
}

// itemError is a violation within an item.
type itemError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// encode returns the JSON text of an answer. Equal data give equal texts, since
// everything in them is a struct or a slice.
func encode(data any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(response{Message: "ok", Data: data}); err != nil {
		return "", fmt.Errorf("encode answer: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// reply makes an answer.
func reply(req *request, v verdict.Verdict, data any) (answer, error) {
	encoded, err := encode(data)
	return answer{data: encoded, head: req.head(), standing: standingOf(v)}, err
}
