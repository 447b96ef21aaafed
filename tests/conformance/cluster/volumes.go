package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// volumeFile is one file of a volume; its path is relative to the volume.
type volumeFile struct {
	path   string
	data   []byte
	secret bool // for the pod's user alone, or for its fsGroup
}

// writeVolumes writes what the pod's volumes hold into folders of the host, which podinit.go then mounts. They are
// written once: neither a changed Secret nor a token's renewal is followed.
func (p *pod) writeVolumes(ctx context.Context) error {
	for _, volume := range p.object.Spec.Volumes {
		if err := os.MkdirAll(p.volumeFolder(volume.Name), 0o755); err != nil {
			return err
		}
		if err := p.writeVolume(ctx, volume); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (p *pod) volumeFolder(name string) string {
	return filepath.Join(p.folder, "volumes", name)
}

func (p *pod) writeVolume(ctx context.Context, volume core.Volume) error {
	if volume.EmptyDir != nil {
		return os.Chmod(p.volumeFolder(volume.Name), 0o777)
	}
	// A Deployment may come before the Secret that it mounts: wait, as a node does.
	for told := false; ; {
		files, err := p.readVolume(ctx, volume)
		if err == nil {
			return p.writeFiles(p.volumeFolder(volume.Name), files)
		}
		if !errors.IsNotFound(err) {
			return err
		}
		if !told {
			told = true
			p.say("waits: %v", err)
			p.tell(core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "ContainerCreating", Message: err.Error()}}, false)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *pod) readVolume(ctx context.Context, volume core.Volume) ([]volumeFile, error) {
	switch {
	case volume.Secret != nil:
		return p.readSecret(ctx, volume.Secret.SecretName, volume.Secret.Items)
	case volume.ConfigMap != nil:
		return p.readConfigMap(ctx, volume.ConfigMap.Name, volume.ConfigMap.Items)
	case volume.Projected != nil:
		return p.readProjected(ctx, volume.Projected.Sources)
	}
	return nil, fmt.Errorf("this kubelet has no volumes of that type")
}

func (p *pod) readSecret(ctx context.Context, name string, items []core.KeyToPath) ([]volumeFile, error) {
	secret, err := p.kubelet.client.CoreV1().Secrets(p.object.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return nil, err
	}
	return chooseFiles(secret.Data, items)
}

func (p *pod) readConfigMap(ctx context.Context, name string, items []core.KeyToPath) ([]volumeFile, error) {
	object, err := p.kubelet.client.CoreV1().ConfigMaps(p.object.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for key, text := range object.Data {
		data[key] = []byte(text)
	}
	for key, bytes := range object.BinaryData {
		data[key] = bytes
	}
	return chooseFiles(data, items)
}

// chooseFiles takes the keys that items name, or all of them.
func chooseFiles(data map[string][]byte, items []core.KeyToPath) ([]volumeFile, error) {
	var files []volumeFile
	if len(items) == 0 {
		for key, bytes := range data {
			files = append(files, volumeFile{path: key, data: bytes})
		}
		return files, nil
	}
	for _, item := range items {
		bytes, found := data[item.Key]
		if !found {
			return nil, fmt.Errorf("no key %s", item.Key)
		}
		files = append(files, volumeFile{path: item.Path, data: bytes})
	}
	return files, nil
}

func (p *pod) readProjected(ctx context.Context, sources []core.VolumeProjection) ([]volumeFile, error) {
	var all []volumeFile
	for _, source := range sources {
		var files []volumeFile
		var err error
		switch {
		case source.ServiceAccountToken != nil:
			files, err = p.requestToken(ctx, source.ServiceAccountToken)
		case source.ConfigMap != nil:
			files, err = p.readConfigMap(ctx, source.ConfigMap.Name, source.ConfigMap.Items)
		case source.Secret != nil:
			files, err = p.readSecret(ctx, source.Secret.Name, source.Secret.Items)
		case source.DownwardAPI != nil:
			files, err = p.readFields(source.DownwardAPI.Items)
		default:
			err = fmt.Errorf("this kubelet has no projections of that type")
		}
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// requestToken asks for a token of the pod's service account that ends with the pod.
func (p *pod) requestToken(ctx context.Context, wanted *core.ServiceAccountTokenProjection) ([]volumeFile, error) {
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: wanted.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: p.object.Name, UID: p.object.UID},
	}}
	if wanted.Audience != "" {
		request.Spec.Audiences = []string{wanted.Audience}
	}
	answer, err := p.kubelet.client.CoreV1().ServiceAccounts(p.object.Namespace).
		CreateToken(ctx, p.object.Spec.ServiceAccountName, request, meta.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return []volumeFile{{path: wanted.Path, data: []byte(answer.Status.Token), secret: true}}, nil
}

func (p *pod) readFields(items []core.DownwardAPIVolumeFile) ([]volumeFile, error) {
	var files []volumeFile
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("%s: only fieldRef is known", item.Path)
		}
		text, err := fieldpath.ExtractFieldPathAsString(p.object, item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		files = append(files, volumeFile{path: item.Path, data: []byte(text)})
	}
	return files, nil
}

// writeFiles gives the files to whom the pod's security context says, as a node does: fsGroup reads all of them; a token
// is read by fsGroup, or without one by the pod's user alone.
func (p *pod) writeFiles(folder string, files []volumeFile) error {
	user, group := 0, 0
	context := p.object.Spec.SecurityContext
	hasGroup := context != nil && context.FSGroup != nil
	if hasGroup {
		group = int(*context.FSGroup)
	} else {
		user, _ = p.userAndGroup()
	}
	for _, file := range files {
		path, mode := filepath.Join(folder, file.path), os.FileMode(0o644)
		if file.secret {
			mode = 0o600
			if hasGroup {
				mode = 0o640
			}
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.data, mode); err != nil {
			return err
		}
		if err := os.Chown(path, user, group); err != nil {
			return err
		}
	}
	return nil
}
