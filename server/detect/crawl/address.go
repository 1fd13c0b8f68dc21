package crawl

import (
	"errors"
	"net/url"
	"strings"
)

// address is an absolute http or https URL in its normal form, by which the
// same page is known again.
type address struct {
	*url.URL
}

// parse reads the address of a first page.
func parse(raw string) (address, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return address{}, errors.Unwrap(err) // without the text, which the caller has
	}
	return normal(u)
}

// resolve reads an address as a page at a writes it. White space around it and
// line ends within it do not count, as in a browser.
func (a address) resolve(raw string) (address, error) {
	u, err := a.Parse(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(strings.TrimSpace(raw)))
	if err != nil {
		return address{}, err
	}
	return normal(u)
}

// normal returns the normal form: lower-case scheme and host without the
// port that goes without saying, a path, no user and no fragment. Dots in the
// path have been resolved when the address is that of a link. The query stays
// as it is, since its order may have a meaning.
func normal(u *url.URL) (address, error) {
	n := *u
	n.Scheme = strings.ToLower(u.Scheme)
	port := map[string]string{"http": ":80", "https": ":443"}[n.Scheme]
	n.Host = strings.TrimSuffix(strings.ToLower(u.Host), port)
	n.User, n.Fragment, n.RawFragment = nil, "", ""
	if n.Path == "" {
		n.Path = "/"
	}
	switch {
	case port == "" || n.Hostname() == "":
		return address{}, errors.New("want an absolute http or https address")
	case len(n.String()) > maxURL:
		return address{}, errors.New("is too long for an address")
	}
	return address{&n}, nil
}
