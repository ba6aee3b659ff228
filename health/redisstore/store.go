package redisstore

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Store is a shared.Store in Redis or Valkey. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	prefix string
}

var _ shared.Store = (*Store)(nil)

// Option configures a Store. New returns an error for an invalid option.
type Option func(*Store) error

// WithPrefix puts prefix in front of all keys, for a server whose access rules give each service
// a prefix of its own. Replicas share a verdict only if they have the same prefix. It has 1 to 64
// letters, digits and characters of "_-.:/". Default: none.
func WithPrefix(prefix string) Option {
	return func(s *Store) error {
		if !validPrefix.MatchString(prefix) {
			return fmt.Errorf("redisstore: WithPrefix(%.80q): want 1 to 64 letters, digits "+
				"and characters of \"_-.:/\"", prefix)
		}
		s.prefix = prefix
		return nil
	}
}

// Braces would move the hash tag, and patterns of access rules have wildcards.
var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,64}$`)

// New returns a store that uses client, and never closes it. It sends nothing to the server. It
// returns an error for a client of go-redis without ContextTimeoutEnabled, because such a client
// ignores the deadlines of contexts.
func New(client redis.UniversalClient, opts ...Option) (*Store, error) {
	s := &Store{client: client}
	var errs []error
	switch {
	case isnil.Value(client):
		errs = append(errs, errors.New("redisstore: the client is nil"))
	case !bounded(client):
		errs = append(errs, fmt.Errorf("redisstore: the %T ignores the deadlines of contexts: "+
			"set ContextTimeoutEnabled to true in its options", client))
	}
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("redisstore: nil Option"))
		} else if err := opt(s); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// bounded reports whether the client returns at the deadline of a context. Clients that this
// package does not know are trusted.
func bounded(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return c.Options().ContextTimeoutEnabled
	default:
		return true
	}
}

// replicaWindow is how long one HyperLogLog of replicas is filled. The last two are counted.
const replicaWindow = 3 * time.Minute

//go:embed common.lua
var commonSource string

//go:embed look.lua
var lookSource string

//go:embed put.lua
var putSource string

var (
	lookScript = newScript(lookSource)
	putScript  = newScript(putSource)
)

func newScript(source string) *redis.Script {
	constants := fmt.Sprintf(
		"local retention, window, maxPause, maxData, maxFence = %d, %d, %d, %d, %d\n",
		milliseconds(shared.Retention), milliseconds(replicaWindow), maxMilliseconds,
		shared.MaxData, uint64(shared.MaxFence))
	return redis.NewScript(constants + commonSource + source)
}

// Look implements [shared.Store].
func (s *Store) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	if err := ctx.Err(); err != nil {
		return shared.View{}, fmt.Errorf("redisstore: Look: %w", err)
	}
	if err := checkLease(q.Lease); err != nil {
		return shared.View{}, fmt.Errorf("redisstore: Look: %w", err)
	}
	keys := s.keys(key, "verdict", "trouble", "lease", "replicas0", "replicas1")
	floor := min(q.Floor, shared.MaxFence) // scripts cannot compute with higher ones
	reply, err := lookScript.Run(ctx, s.client, keys,
		q.Replica, milliseconds(q.Lease), milliseconds(q.Due), floor).Result()
	if err != nil {
		return shared.View{}, fmt.Errorf("redisstore: Look: %w", explain(err))
	}
	view, err := decode(reply)
	if err != nil {
		return shared.View{}, fmt.Errorf("redisstore: Look: %w", err)
	}
	return view, nil
}

// Put implements [shared.Store]. If the client retries a Put whose reply was lost, Put returns
// false although the answer is stored.
func (s *Store) Put(ctx context.Context, key string, p shared.Answer) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("redisstore: Put: %w", err)
	}
	if err := checkLease(p.Lease); err != nil {
		return false, fmt.Errorf("redisstore: Put: %w", err)
	}
	if len(p.Data) > shared.MaxData {
		return false, fmt.Errorf("redisstore: Put: %d bytes of data, above the limit of %d",
			len(p.Data), shared.MaxData)
	}
	trouble, pause := 0, int64(0)
	if p.Trouble {
		trouble, pause = 1, milliseconds(p.Pause)
	}
	keys := s.keys(key, "verdict", "trouble", "lease")
	reply, err := putScript.Run(ctx, s.client, keys,
		p.Fence, milliseconds(p.Lease), trouble, pause, p.Data).Result()
	if err != nil {
		return false, fmt.Errorf("redisstore: Put: %w", explain(err))
	}
	switch reply {
	case int64(0):
		return false, nil
	case int64(1):
		return true, nil
	default:
		return false, fmt.Errorf("redisstore: Put: %w", errReply)
	}
}

// keys returns the names of a token's keys. They have the hash tag of key, so that a cluster keeps
// them in one slot.
func (s *Store) keys(key string, names ...string) []string {
	for i, name := range names {
		names[i] = s.prefix + key + ":" + name
	}
	return names
}

// checkLease rejects a lease that an entry would not outlive.
func checkLease(d time.Duration) error {
	if d >= shared.Retention {
		return fmt.Errorf("a lease of %s, it must be shorter than %s", d, shared.Retention)
	}
	return nil
}

// maxMilliseconds is the largest number of milliseconds that a time.Duration holds.
const maxMilliseconds = math.MaxInt64 / int64(time.Millisecond)

// milliseconds rounds d up. A negative one becomes 0.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return min(max(ms, 0), maxMilliseconds)
}

// explain says what to do about errors of Redis that do not say it.
func explain(err error) error {
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"),
		strings.Contains(err.Error(), "The user executing the script"), // Redis
		strings.Contains(err.Error(), "ACL failure in script"):         // Valkey
		return fmt.Errorf(
			"%w (the documentation of package redisstore lists the rights that it needs, "+
				"ACL LOG what was denied)", err)
	case strings.Contains(err.Error(), "unauthenticated"):
		// Redis refuses a command of more than ten words like this, instead of by NOAUTH.
		return fmt.Errorf("%w (the client sends no password, and the server requires one)", err)
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return fmt.Errorf(
			"%w (another program writes to these keys: delete them, or use WithPrefix)",
			err)
	default:
		return err
	}
}
