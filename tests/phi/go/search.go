package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Those of DerivedAge.txt after 14.0, up to 17.0; between them are only unassigned ones.
const laterCodes = `88F 897 C5C CDC CF3 ECE 1ACF-1AEB 1B4E-1B4F 1B7F 1C89-1C8A 20C1 2427-2429 2B96 2FFC-2FFF 31E4-31EF
A7CB-A7CF A7D2 A7D4 A7DA-A7F1 FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C0-105F3 10940-10959 10D40-10D8F 10EC2-10EFF 1123F-11241
11380-113E2 116D0-116E3 11B00-11BF9 11DB0-11DE9 11F00-11F5A 1342F 13439-143FA 16100-16139 16D40-16D79 16EA0-16ED3
16FF2-16FF6 187F8-187FF 18CFF 18D09-18DF2 1B132 1B155 1CC00-1CEF0 1D2C0-1D2D3 1DF25-1DF2A 1E030-1E08F 1E4D0-1E6FF
1F6D8-1F6DC 1F774-1F77F 1F7D9 1F8B2-1F8D8 1FA54-1FA57 1FA75-1FA77 1FA87-1FA8F 1FAAD-1FAAF 1FABB-1FABF 1FAC6-1FACF
1FADA-1FADF 1FAE8-1FAEF 1FAF7-1FAF8 1FBCB-1FBEF 1FBFA 2B739-2B73F 2CEA2-2CEAD 2EBF0-2EE5D 31350-33479`

var (
	later       = regexp.MustCompile(class(laterCodes) + `|[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}]`)
	space       = class("9-D 20 A0 1680 2000-200A 2028-2029 202F 205F 3000 FEFF") // what JavaScript's trim removes
	spaces      = regexp.MustCompile(space + "+")
	ends        = regexp.MustCompile("^" + space + "+|" + space + "+$")
	apostrophes = regexp.MustCompile(class("60 B4 2B9 2BB-2BF 2CA 2CB 384 55A 5F3 7F4 7F5 1FBD 1FBF 1FFD 1FFE 2018 2019 201B 2032 A78C"))
	hyphens     = regexp.MustCompile(class("AD B7 5BE 1806 200C 200D 2010-2015 2027 2212 30FB"))
	unseen      = regexp.MustCompile(class("640 61C 200E 200F 202A-202E 2060 2066-2069"))
	marks       = regexp.MustCompile(`\p{M}`)
	letters     = strings.NewReplacer(strings.Fields(`ß ss æ ae œ oe þ th ø o ł l đ d ð d ı i ħ h ŧ t ŋ n ɓ b ɗ d ƙ k
		ƴ y ƀ b ǥ g ɨ i ɉ j ƚ l ɫ l ɍ r ʉ u ɏ y ƶ z ⱥ a ȼ c ɇ e ⱦ t ς σ`)...)
	lower      = cases.Lower(language.Und)
	noEmail    = regexp.MustCompile(`(?s)^(?:unknown@example\.com|.*@(?:intake|placeholder)\.local)$`)
	noDate     = regexp.MustCompile("^1900-01-01$")
	oneDigit   = regexp.MustCompile(`-([0-9])\b`)
	birthDate  = regexp.MustCompile("^([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})$")
	dateText   = regexp.MustCompile("^([0-9]{1,4})([-/.])([0-9]{1,2})([-/.])([0-9]{1,4})(?s:[t ].*)?$")
	notDigits  = regexp.MustCompile("[^0-9]+")
	lastFour   = regexp.MustCompile("[0-9]{4}$")
	onlyDigits = regexp.MustCompile("^[0-9]+$")
	extension  = regexp.MustCompile("[0-9][^0-9a-z]*(?:ext|x|#)")
	abroad     = regexp.MustCompile("^(?:011|00)")
	phoneText  = regexp.MustCompile(`^[+0-9 ().\-/]+(?:(?:,[, ]*)?(?:ext|x|#)[. ]*[0-9]+)?$`)
)

func class(codes string) string {
	return "[" + strings.Join(strings.Fields(regexp.MustCompile("[0-9A-F]+").ReplaceAllString(codes, `\x{$0}`)), "") + "]"
}

func trimmed(text string) string { return ends.ReplaceAllString(text, "") }

func without(sign, text string) string { return strings.ReplaceAll(text, sign, "") }

func respelled(text string) string {
	text = hyphens.ReplaceAllString(apostrophes.ReplaceAllString(text, "'"), "-")
	return letters.Replace(unseen.ReplaceAllString(text, ""))
}

func folded(text string) (plain string) {
	for _, code := range text {
		character := string(code)
		if unicode.Is(unicode.Nd, code) && !later.MatchString(character) {
			// Unicode has them from 0 to 9, one set beside the other.
			zero := code
			for unicode.Is(unicode.Nd, zero-1) {
				zero--
			}
			character = strconv.Itoa(int(code-zero) % 10)
		} else if !later.MatchString(character) {
			character = marks.ReplaceAllString(norm.NFKD.String(respelled(character)), "")
			character = respelled(strings.Map(unicode.ToLower, character))
		}
		plain += character
	}
	return plain
}

// normalised is a text after a rule, or "" where nothing is left.
func normalised(rule, text string) string {
	plain := folded(text)
	switch rule {
	case "email":
		return noEmail.ReplaceAllString(trimmed(lower.String(text)), "")
	case "dob":
		if parts := birthDate.FindStringSubmatch(trimmed(text)); parts != nil {
			return dated(parts[3], parts[1], parts[2])
		}
		plain, _, _ = strings.Cut(trimmed(text), "T")
		return noDate.ReplaceAllString(plain, "")
	case "id":
		return spaces.ReplaceAllString(plain, "")
	case "phone":
		return phone(plain)
	case "last4":
		return lastFour.FindString(phone(plain))
	case "date":
		parts := dateText.FindStringSubmatch(trimmed(plain))
		if parts != nil && parts[2] == parts[4] && len(parts[1]) == 4 && len(parts[5]) <= 2 {
			return dated(parts[1], parts[3], parts[5])
		}
		if parts != nil && parts[2] == parts[4] && len(parts[5]) == 4 && len(parts[1]) <= 2 && parts[2] != "." {
			return dated(parts[5], parts[1], parts[3])
		}
	}
	return trimmed(spaces.ReplaceAllString(plain, " "))
}

func dated(year, month, day string) string {
	return noDate.ReplaceAllString(oneDigit.ReplaceAllString(year+"-"+month+"-"+day, "-0$1"), "")
}

// phone takes a folded text.
func phone(plain string) string {
	plain = trimmed(plain)
	if at := extension.FindStringIndex(plain); at != nil {
		plain = plain[:at[0]+1]
	}
	isAbroad := strings.HasPrefix(plain, "+")
	if isAbroad {
		plain = without("(0)", plain)
	}
	digits := notDigits.ReplaceAllString(plain, "")
	if prefix := abroad.FindString(digits); !isAbroad && prefix != "" {
		isAbroad, digits = true, digits[len(prefix):]
	}
	if strings.HasPrefix(digits, "1") && (isAbroad || len(digits) == 11) {
		return digits[1:]
	}
	if digits != "" && (isAbroad || len(digits) > 11) {
		return "+" + digits
	}
	return digits
}

// number is the digits of a folded text that is a phone number; none of another.
func number(plain string) (numbers []string) {
	if digits := without("+", phone(plain)); len(digits) >= 7 && phoneText.MatchString(trimmed(plain)) {
		numbers = append(numbers, digits)
	}
	return numbers
}

func runs(plain string) []string {
	return strings.FieldsFunc(plain, func(code rune) bool {
		return !unicode.In(code, unicode.L, unicode.N) && !later.MatchString(string(code))
	})
}

// prefixes are the terms of the beginnings of a word, the longest last.
func prefixes(word string) (terms []string) {
	characters := []rune(word)
	for length := 1; length <= min(10, len(characters)); length++ {
		terms = append(terms, "p:"+string(characters[:length]))
	}
	return terms
}

func rowTerms(texts []*string) (terms []string) {
	var words []string
	for _, text := range texts {
		if text != nil {
			plain := folded(*text)
			joined := without("'", plain)
			words = slices.Concat(words, runs(plain), runs(joined), runs(without("-", joined)), number(plain))
		}
	}
	for _, word := range words {
		terms = append(terms, prefixes(word)...)
		for length := 4; length <= min(10, len(word)) && len(word) >= 7 && onlyDigits.MatchString(word); length++ {
			terms = append(terms, "e:"+word[len(word)-length:])
		}
	}
	return terms
}

func queryTerms(query string) (groups [][]string) {
	words := number(folded(query))
	if words == nil {
		for _, piece := range spaces.Split(query, -1) {
			plain := folded(piece)
			if digits := number(plain); digits != nil {
				words = append(words, digits...)
			} else {
				words = append(words, runs(without("'", plain))...)
			}
		}
	}
	for at, word := range words {
		terms := prefixes(word)
		group := terms[len(terms)-1:]
		if len(word) >= 4 && onlyDigits.MatchString(word) {
			group = append(group, "e:"+word[max(0, len(word)-10):])
		}
		if !slices.Contains(words[:at], word) {
			groups = append(groups, group)
		}
	}
	return groups
}
