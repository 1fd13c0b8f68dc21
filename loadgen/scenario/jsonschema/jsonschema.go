// Package jsonschema describes the scenario language as a JSON Schema, for
// editors that complete keys and mark mistakes while a file is written.
//
// The schema is the shape of a file: keys, kinds of values, what excludes what.
// It never refuses a file that `loadgen lint` takes. What it cannot know, such
// as whether a method exists, lint says; [Of] adds the methods and the message
// fields of one target.
package jsonschema

import (
	"bytes"
	"encoding/json"

	"touchstone/loadgen/schema"
)

// node is a part of a schema.
type node map[string]any

// Language returns the schema of scenario files for any target, as indented
// JSON.
func Language() []byte { return text(language()) }

// Of returns the schema of scenario files for one target: calls are to its
// methods, and messages and patterns have the fields of their types.
func Of(s *schema.Schema) []byte {
	root := language()
	addTarget(root, s)
	return text(root)
}

// text returns a schema as JSON, keys sorted.
func text(root node) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	_ = encoder.Encode(root) // a node holds nothing that does not encode
	return b.Bytes()
}

// language returns the whole schema. Draft 7 is what editors support best.
func language() node {
	root := object(fileKeys())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Touchstone scenario"
	root["definitions"] = node{
		"step":      step(),
		"expect":    expect(),
		"operation": operation(),
		"load":      object(loadKeys()),
		"faultRule": object(faultKeys()),
		"duration":  duration(),
		"metadata":  metadata(),
		"status":    status(),
	}
	return root
}

// key is a key of a mapping.
type key struct {
	name     string
	about    string // for the editor
	value    node
	required bool
}

// object is a mapping that has only these keys.
func object(keys []key) node {
	properties := node{}
	var required []string
	for _, k := range keys {
		value := node{}
		for word, v := range k.value {
			value[word] = v
		}
		if ref, isRef := value["$ref"]; isRef && k.about != "" { // draft 7 reads nothing beside $ref
			value = node{"allOf": []node{{"$ref": ref}}}
		}
		if k.about != "" {
			value["description"] = k.about
		}
		properties[k.name] = value
		if k.required {
			required = append(required, k.name)
		}
	}
	out := node{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		out["required"] = required
	}
	return out
}

// Shorthands for the values of keys.

func anything() node           { return node{} }
func str() node                { return node{"type": "string"} }
func boolean() node            { return node{"type": "boolean"} }
func ref(name string) node     { return node{"$ref": "#/definitions/" + name} }
func words(all ...string) node { return node{"enum": all} }
func list(of node) node        { return node{"type": "array", "items": of} }
func either(all ...node) node  { return node{"anyOf": all} }
func someOf(of node) node      { return either(of, list(of)) } // one, or a list

func integer(low, high int) node { return node{"type": "integer", "minimum": low, "maximum": high} }

// mapping is a mapping with keys of a form.
func mapping(form string, of node) node {
	return node{"type": "object", "propertyNames": node{"pattern": form}, "additionalProperties": of}
}

// The forms of texts.
const (
	identifier  = `^[a-zA-Z_][a-zA-Z0-9_]*$`
	metadataKey = `^[0-9a-z_.-]+$`
	// A number with a unit, as Go's time.ParseDuration takes it.
	durationForm = `^(\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|\+?0)$`
	countForm    = `^([0-9]+-[0-9]+|[0-9]+\+)$`
	rateForm     = `^[0-9.eE+]+(/[smh])?$`
)

func scalar() node { return node{"type": []string{"string", "number", "boolean"}} }

func duration() node {
	return either(node{"type": "string", "pattern": durationForm}, node{"const": 0})
}

func count() node {
	return either(integer(0, maxCount), node{"type": "string", "pattern": countForm})
}

func metadata() node { return mapping(metadataKey, someOf(scalar())) }

// The limits of the language.
const (
	maxCount  = 1_000_000_000
	maxRepeat = 1_000_000
)
