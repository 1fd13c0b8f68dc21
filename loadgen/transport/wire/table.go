package wire

// table finds the calls of a connection by stream. Streams are numbered one
// after the other, so the low bits of a number spread them evenly. A call
// holds the link of its bucket's chain, so that nothing is allocated.
type table struct {
	buckets []*call // their number is a power of two, or 0
	n       int
}

// bucket returns where the chain of a stream starts.
func (t *table) bucket(id uint32) **call {
	return &t.buckets[id>>1&uint32(len(t.buckets)-1)]
}

// get returns the call of a stream, nil when there is none.
func (t *table) get(id uint32) *call {
	if t.n == 0 {
		return nil
	}
	c := *t.bucket(id)
	for c != nil && c.id != id {
		c = c.chain
	}
	return c
}

// put adds a call by its id, which the table does not have.
func (t *table) put(c *call) {
	if t.n == len(t.buckets) {
		t.grow()
	}
	at := t.bucket(c.id)
	c.chain, *at = *at, c
	t.n++
}

func (t *table) grow() {
	old := t.buckets
	t.buckets = make([]*call, max(16, 2*len(old)))
	for _, c := range old {
		for c != nil {
			following, at := c.chain, t.bucket(c.id)
			c.chain, *at = *at, c
			c = following
		}
	}
}

// remove takes out a call that is in the table.
func (t *table) remove(c *call) {
	at := t.bucket(c.id)
	for *at != c {
		at = &(*at).chain
	}
	*at, c.chain = c.chain, nil
	t.n--
}

// each calls f with every call; f may remove that call.
func (t *table) each(f func(*call)) {
	for _, c := range t.buckets {
		for c != nil {
			following := c.chain
			f(c)
			c = following
		}
	}
}
