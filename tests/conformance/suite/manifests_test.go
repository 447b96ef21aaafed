package suite

import (
	"bytes"
	"embed"
	"io/fs"
	"regexp"
	"testing/fstest"
)

//go:embed manifests
var manifests embed.FS

var placeholder = regexp.MustCompile(`\{(SPKI|HASH|FINGERPRINT) ([a-z]+)\}`)

// pinnedManifests gives the manifests with the pins of this run's certificates: "{SPKI pinned}" is the SPKI pin of the identity
// of that name, "{HASH …}" and "{FINGERPRINT …}" are two spellings of its certificate's.
func pinnedManifests(p *pki) (fs.FS, error) {
	identities := map[string]*identity{}
	for _, one := range p.identities() {
		identities[one.name] = one
	}
	filled := fstest.MapFS{}
	err := fs.WalkDir(manifests, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := manifests.ReadFile(path)
		if err != nil {
			return err
		}
		text = placeholder.ReplaceAllFunc(text, func(found []byte) []byte {
			parts := bytes.Split(bytes.Trim(found, "{}"), []byte(" "))
			one := identities[string(parts[1])]
			switch {
			case one == nil: // which no API server takes
				return found
			case string(parts[0]) == "SPKI":
				return []byte(one.spki())
			case string(parts[0]) == "HASH":
				return []byte(one.hash())
			}
			return []byte(one.fingerprint())
		})
		filled[path] = &fstest.MapFile{Data: text}
		return nil
	})
	return filled, err
}
