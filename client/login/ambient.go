package login

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
)

// Ambient is the token that the environment gives: SIGSTORE_ID_TOKEN, or that of
// a GitHub Actions workflow with the permission id-token: write. ok is false where
// there is neither. Errors: ErrRefused, ErrUnavailable.
func Ambient(ctx context.Context, client *http.Client, getenv func(string) string, audience string) (token string, ok bool, err error) {
	if token := strings.TrimSpace(getenv("SIGSTORE_ID_TOKEN")); token != "" {
		return token, true, nil
	}
	address, secret := getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address == "" || secret == "" {
		return "", false, nil
	}
	token, err = actions(ctx, client, address, secret, audience)
	if err != nil {
		return "", true, fmt.Errorf("asking GitHub Actions for an ID token: %w", err)
	}
	return token, true, nil
}

func actions(ctx context.Context, client *http.Client, address, secret, audience string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, withoutQuery(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w: %s", ErrRefused, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Value == "" {
		return "", fmt.Errorf("the answer has no token")
	}
	return answer.Value, nil
}
