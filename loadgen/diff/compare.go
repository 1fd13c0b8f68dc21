package diff

// either compares two values of which one may not be there.
func (w *walk) either(want, got *node) {
	switch {
	case want == nil && got == nil:
	case got == nil:
		w.add(Missing, want.String(), "")
	case want == nil:
		w.add(Extra, "", got.String())
	default:
		w.compare(want, got)
	}
}

// compare compares two values.
func (w *walk) compare(want, got *node) {
	switch {
	case want.kind != got.kind || want.typ != got.typ:
		w.add(Type, want.String(), got.String())
	case want.kind == isObject:
		w.fields(want, got, named)
	case want.kind == isMap:
		w.fields(want, got, keyed)
	case want.kind == isList:
		w.list(want.items, got.items)
	default:
		w.scalar(want, got)
	}
}

// scalar compares two values of one kind that have no parts, unless they are
// strings that hold JSON.
func (w *walk) scalar(want, got *node) {
	if want.text == got.text || want.kind == isNumber && sameNumber(want.text, got.text) {
		return
	}
	if want.kind == isText {
		if x, y := want.within(), got.within(); x != nil && y != nil {
			w.compare(x, y)
			return
		}
	}
	if t := w.rules.tolerance(w.method, w.path); t != nil && t.close(want, got) {
		return
	}
	if w.Same != nil && (want.kind == isText || want.kind == isNumber) && w.Same(want.text, got.text, w.rules.names(w.method, w.path)) {
		return
	}
	w.add(Changed, want.String(), got.String())
}

// fields compares two objects, or maps, whose fields are in order.
func (w *walk) fields(want, got *node, step func(string) segment) {
	skip := w.oneofs(want, got)
	x, y := want.fields, got.fields
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].name < y[0].name:
			w.oneSided(x[0], step, skip, false)
			x = x[1:]
		case len(x) == 0 || y[0].name < x[0].name:
			w.oneSided(y[0], step, skip, true)
			y = y[1:]
		default:
			w.within(step(x[0].name), func() { w.compare(x[0].value, y[0].value) })
			x, y = x[1:], y[1:]
		}
	}
}

// oneSided compares a field with what the other side has in its place:
// nothing, or the zero that an absent field stands for.
func (w *walk) oneSided(f field, step func(string) segment, skip map[string]bool, extra bool) {
	if skip[f.oneof] {
		return
	}
	want, got := f.value, f.zero
	if extra {
		want, got = got, want
	}
	w.within(step(f.name), func() { w.either(want, got) })
}

// oneofs compares which members of oneofs are set, and returns those oneofs
// that have another member on the other side.
func (w *walk) oneofs(want, got *node) map[string]bool {
	var different map[string]bool
	for _, x := range want.fields {
		if x.oneof == "" {
			continue
		}
		for _, y := range got.fields {
			if y.oneof == x.oneof && y.name != x.name {
				if different == nil {
					different = map[string]bool{}
				}
				different[x.oneof] = true
				w.within(named(x.oneof), func() { w.add(Type, member(x), member(y)) })
			}
		}
	}
	return different
}

// member writes a oneof's member.
func member(f field) string {
	return (&node{kind: isObject, fields: []field{f}}).String()
}
