package rekor

import "fmt"

// Marshal is the JSON that ParseEntry reads, with default values written out:
// some clients look for a "logIndex":"0". A log does this for every signature,
// so it is written by hand; protojson takes five times as long.
func (e Entry) Marshal() ([]byte, error) {
	w := writer{b: make([]byte, 0, 2*len(e.CanonicalizedBody)+4096)}
	w.number(`{"logIndex":`, e.LogIndex)
	w.bytes(`,"logId":{"keyId":`, e.LogID)
	w.text(`},"kindVersion":{"kind":`, e.Kind)
	w.text(`,"version":`, e.Version)
	var integrated uint64
	if !e.IntegratedTime.IsZero() {
		integrated = uint64(max(e.IntegratedTime.Unix(), 0))
	}
	w.number(`},"integratedTime":`, integrated)
	if e.SignedEntryTimestamp != nil {
		w.bytes(`,"inclusionPromise":{"signedEntryTimestamp":`, e.SignedEntryTimestamp)
		w.raw(`}`)
	}
	if e.Proof != nil {
		w.proof(e.Proof)
	}
	w.bytes(`,"canonicalizedBody":`, e.CanonicalizedBody)
	w.raw(`}`)
	if w.err != nil {
		return nil, fmt.Errorf("marshalling log entry: %w", w.err)
	}
	return w.b, nil
}

func (w *writer) proof(p *Proof) {
	w.number(`,"inclusionProof":{"logIndex":`, p.Index)
	w.bytes(`,"rootHash":`, p.Root[:])
	w.number(`,"treeSize":`, p.Size)
	w.raw(`,"hashes":[`)
	for i := range p.Hashes {
		separator := ","
		if i == 0 {
			separator = ""
		}
		w.bytes(separator, p.Hashes[i][:])
	}
	w.raw(`]`)
	if len(p.Checkpoint) > 0 {
		w.text(`,"checkpoint":{"envelope":`, string(p.Checkpoint))
		w.raw(`}`)
	}
	w.raw(`}`)
}
