package proxy

// list is a queue of pipes that are linked through their own fields, so that a
// pipe leaves it from any place at no cost: a client that opens and resets
// streams faster than they are written leaves nothing behind. A pipe is in one
// list at most.
type list struct{ first, last *pipe }

// push adds a pipe at the end. It must be in no list.
func (l *list) push(p *pipe) {
	p.in, p.prev, p.next = l, l.last, nil
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
}

// pop removes the first pipe, nil when there is none.
func (l *list) pop() *pipe {
	p := l.first
	if p != nil {
		l.remove(p)
	}
	return p
}

// remove takes a pipe out of the list.
func (l *list) remove(p *pipe) {
	if p.prev == nil {
		l.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.in, p.prev, p.next = nil, nil, nil
}
