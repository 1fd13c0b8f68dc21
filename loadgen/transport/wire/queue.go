package wire

// queue is a list of calls in order of arrival. A call is in one queue at
// most; it holds the links, so that nothing is allocated.
type queue struct {
	first, last *call
	n           int
}

// push adds a call that is in no queue.
func (q *queue) push(c *call) {
	c.in, c.before, c.after = q, q.last, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.after = c
	}
	q.last = c
	q.n++
}

// each calls f with every call; f may take that call out of the queue.
func (q *queue) each(f func(*call)) {
	for c := q.first; c != nil; {
		following := c.after
		f(c)
		c = following
	}
}

// unqueue takes a call out of the queue it is in, if any.
func (c *call) unqueue() {
	q := c.in
	if q == nil {
		return
	}
	if c.before == nil {
		q.first = c.after
	} else {
		c.before.after = c.after
	}
	if c.after == nil {
		q.last = c.before
	} else {
		c.after.before = c.before
	}
	q.n--
	c.in, c.before, c.after = nil, nil, nil
}
