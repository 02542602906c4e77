// Command third implements docs/formats.md a third time. It reads vectors of the form of tests/phi/vectors/shared.json,
// writes what is missing in each (a record of the text, a hash, tokens), and computes anew what follows from the rest.
package main

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// vector is one object of the file.
type vector map[string]any

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func read[T any](from any) (value T) {
	if err := json.Unmarshal(must(json.Marshal(from)), &value); err != nil {
		panic(err)
	}
	return value
}

func (v vector) text(name string) string { return read[string](v[name]) }

func (v vector) bytes(name string) []byte { return decoded(v.text(name)) }

func (v vector) dataKey() []byte {
	if v["tenant"] != nil {
		return derived(v.bytes("dataKey"), "eonpro-phi-tenant-v1", v.text("tenant"))
	}
	return v.bytes("dataKey")
}

func (v vector) hashKey() []byte {
	if v["hashKey"] != nil {
		return v.bytes("hashKey")
	}
	return mac(v.bytes("dataKey"), "patient-dedup-v1")
}

// index returns the key, the rule and the bits of a search column.
func (v vector) index(kind string) (key []byte, rule string, bits int) {
	index := read[struct {
		Table, Column, Rule string
		Bits                int
	}](v["index"])
	rule = cmp.Or(index.Rule, "words")
	key = derived(v.hashKey(), "eonpro-phi-search-v1", kind, rule, index.Table, index.Column, v.text("clinic"))
	return key, rule, index.Bits
}

// tokens are the first bits of the HMAC of each term, each once.
func (v vector) tokens(terms []string) []int {
	key, _, bits := v.index("words")
	made := []int{}
	for _, term := range terms {
		if token := int(binary.BigEndian.Uint32(mac(key, term)) >> (32 - bits)); !slices.Contains(made, token) {
			made = append(made, token)
		}
	}
	return made
}

// hashed is the first bits of the HMAC of a text after its rule; nil where nothing is left.
func (v vector) hashed(key []byte, rule string, bits int) any {
	if plain := normalised(rule, v.text("text")); plain != "" {
		return hex.EncodeToString(mac(key, plain))[:bits/4]
	}
	return nil
}

func opened(v vector) any {
	if v["record"] == nil && v["version"] == 1. {
		v["record"] = sealVersion1(v.dataKey(), v.text("text"))
	} else if v["record"] == nil {
		v["record"] = sealVersion2(v.dataKey(), v.text("text"), v.text("context"))
	}
	return openText(v.dataKey(), v.text("record"), v.text("context"))
}

func digest(v vector) any {
	if v["stored"] == nil && v["exponent"] != nil {
		v["stored"] = sealStream(v.dataKey(), v.bytes("content"), v.text("context"), read[byte](v["exponent"]))
	} else if v["stored"] == nil {
		v["stored"] = sealBytes(v.dataKey(), v.bytes("content"), v.text("context"))
	}
	content := openBytes(v.dataKey(), v.bytes("stored"), v.text("context"))
	if content == nil {
		return nil
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// The fields that follow from the others, for each list of the file; null where a reader refuses.
var sections = map[string]map[string]func(vector) any{
	"records.accepted": {"text": opened},
	"records.refused":  {"text": opened},
	"binary.accepted":  {"contentSha256": digest},
	"binary.refused":   {"contentSha256": digest},
	"tenants":          {"text": opened, "contentSha256": digest},
	"keyCheckValues":   {"keyCheckValue": func(v vector) any { return hex.EncodeToString([]byte(keyID(v.dataKey()))) }},
	"places":           {"place": func(v vector) any { return place(v.text("table"), v.text("column"), read[*string](v["row"])) }},
	"hashes":           {"hash": func(v vector) any { return v.hashed(v.hashKey(), v.text("field"), 256) }},
	"search.exact":     {"value": func(v vector) any { return v.hashed(v.index("exact")) }},
	"search.rows": {"tokens": func(v vector) any {
		made := v.tokens(rowTerms(read[[]*string](v["texts"])))
		slices.Sort(made)
		return made
	}},
	"search.queries": {"groups": func(v vector) any {
		groups := [][]int{}
		for _, terms := range queryTerms(v.text("query")) {
			groups = append(groups, v.tokens(terms))
		}
		return groups
	}},
}

func main() {
	file := read[map[string]any](json.RawMessage(must(io.ReadAll(os.Stdin))))
	for path, fields := range sections {
		listed := any(file)
		for _, name := range strings.Split(path, ".") {
			listed = listed.(map[string]any)[name]
		}
		for _, each := range listed.([]any) {
			for name, compute := range fields {
				each.(map[string]any)[name] = compute(each.(map[string]any))
			}
		}
	}
	must(os.Stdout.Write(must(json.Marshal(file))))
}

const (
	tagSize      = 16
	recordForm   = "\xf7phi\x01"
	streamForm   = "\xf7phi\x02"
	formAndID    = 5 + 8
	streamHeader = formAndID + 1 + 32 + 7
)

func mac(key []byte, message string) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(message))
	return hash.Sum(nil)
}

// derived is a key of HKDF whose info is a list of texts, each with its length before it.
func derived(key []byte, texts ...string) []byte {
	var info []byte
	for _, text := range texts {
		info = append(binary.BigEndian.AppendUint32(info, uint32(len(text))), text...)
	}
	return must(hkdf.Key(sha256.New, key, nil, string(info), 32))
}

func keyID(key []byte) string { return string(mac(key, "eonpro-phi-record-v2 key id")[:8]) }

func version2(key []byte) string { return "v2:" + hex.EncodeToString([]byte(keyID(key))) + ":" }

// place is the context of a column, or of its row where there is a key.
func place(table, column string, row *string) string {
	names := []string{table, column}
	for at, name := range names {
		if strings.ContainsAny(name, `.:"`) {
			names[at] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	if row != nil {
		return strings.Join(names, ".") + ":" + *row
	}
	return strings.Join(names, ".")
}

func gcm(key []byte, ivSize int) cipher.AEAD {
	return must(cipher.NewGCMWithNonceSize(must(aes.NewCipher(key)), ivSize))
}

func random(size int) []byte {
	bytes := make([]byte, size)
	rand.Read(bytes)
	return bytes
}

// seal returns a new IV, and after it ciphertext and tag.
func seal(key []byte, ivSize int, content []byte, associated string) []byte {
	iv := random(ivSize)
	return gcm(key, ivSize).Seal(slices.Clone(iv), iv, content, []byte(associated))
}

// open takes what seal returns; nil where it is refused. A record has a content.
func open(key []byte, ivSize int, sealed []byte, associated string) []byte {
	if len(sealed) <= ivSize+tagSize {
		return nil
	}
	content, _ := gcm(key, ivSize).Open(nil, sealed[:ivSize], sealed[ivSize:], []byte(associated))
	return content
}

func sealVersion1(key []byte, text string) string {
	sealed, form := seal(key, 16, []byte(text), ""), base64.StdEncoding.EncodeToString
	end := len(sealed) - tagSize
	return form(sealed[:16]) + ":" + form(sealed[end:]) + ":" + form(sealed[16:end])
}

func sealVersion2(key []byte, text, context string) string {
	return version2(key) + base64.StdEncoding.EncodeToString(seal(key, 12, []byte(text), version2(key)+context))
}

// decoded is nothing for a text that is not canonical.
func decoded(text string) []byte {
	if bytes, _ := base64.StdEncoding.DecodeString(text); base64.StdEncoding.EncodeToString(bytes) == text {
		return bytes
	}
	return nil
}

// openText returns nil where the record is refused.
func openText(key []byte, record, context string) any {
	var text []byte
	head, parts := version2(key), strings.Split(record, ":")
	if strings.HasPrefix(record, head) {
		text = open(key, 12, decoded(record[len(head):]), head+context)
	} else if len(parts) == 3 && context == "" && len(decoded(parts[0])) == 16 && len(decoded(parts[1])) == tagSize {
		text = open(key, 16, slices.Concat(decoded(parts[0]), decoded(parts[2]), decoded(parts[1])), "")
	}
	if text == nil || !utf8.Valid(text) {
		return nil
	}
	return string(text)
}

func sealBytes(key, content []byte, context string) []byte {
	head := recordForm + keyID(key)
	return slices.Concat([]byte(head), seal(key, 12, content, head+context))
}

// streamChunk returns the cipher of a stream, and the IV of a chunk.
func streamChunk(key []byte, header string, chunk int, last bool) (cipher.AEAD, []byte) {
	iv := binary.BigEndian.AppendUint32([]byte(header[streamHeader-7:]), uint32(chunk))
	return gcm(mac(key, "eonpro-phi-stream-v1 key"+header), 12), append(iv, map[bool]byte{true: 1}[last])
}

func sealStream(key, content []byte, context string, exponent byte) []byte {
	header := streamForm + keyID(key) + string([]byte{exponent}) + string(random(32+7))
	stored := []byte(header)
	for chunk, last := 0, false; !last; chunk++ {
		size := min(1<<exponent, len(content))
		last = size == len(content)
		sealer, iv := streamChunk(key, header, chunk, last)
		stored = sealer.Seal(stored, iv, content[:size], []byte(header+context))
		content = content[size:]
	}
	return stored
}

// openBytes returns nil where a record or a stream is refused.
func openBytes(key, stored []byte, context string) []byte {
	head := string(stored[:min(len(stored), formAndID)])
	if head == recordForm+keyID(key) {
		return open(key, 12, stored[formAndID:], head+context)
	}
	if head != streamForm+keyID(key) || len(stored) < streamHeader+tagSize || stored[formAndID] < 16 || stored[formAndID] > 20 {
		return nil
	}
	content, header, rest := []byte{}, string(stored[:streamHeader]), stored[streamHeader:]
	for chunk, last := 0, false; !last; chunk++ {
		size := min(1<<stored[formAndID]+tagSize, len(rest))
		last = size == len(rest)
		opener, iv := streamChunk(key, header, chunk, last)
		opened, err := opener.Open(nil, iv, rest[:size], []byte(header+context))
		if err != nil || chunk > 0 && len(opened) == 0 {
			return nil
		}
		content, rest = append(content, opened...), rest[size:]
	}
	return content
}
