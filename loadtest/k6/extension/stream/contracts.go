package stream

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// Contracts are schemas of a registry with Confluent's interface. Each is asked for once.
type Contracts struct {
	client  *sr.Client
	mu      sync.Mutex
	writers map[string]*Contract
	readers map[int]*avro.Schema
}

// Contract is a schema as it is registered under a subject.
type Contract struct {
	ID     int
	schema *avro.Schema
}

// NewContracts connects to nothing yet.
func NewContracts(registry string) (*Contracts, error) {
	client, err := sr.NewClient(sr.URLs(registry))
	if err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", registry, err)
	}
	return &Contracts{client: client, writers: map[string]*Contract{}, readers: map[int]*avro.Schema{}}, nil
}

// Register registers a schema as that of a topic's values; a registered one keeps its id.
func (c *Contracts) Register(ctx context.Context, topic, text string) (*Contract, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place := topic + "\x00" + text
	if found := c.writers[place]; found != nil {
		return found, nil
	}
	schema, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", topic, err)
	}
	id, err := c.client.RegisterSchema(ctx, topic+"-value", sr.Schema{Schema: text}, -1, -1)
	if err != nil {
		return nil, fmt.Errorf("subject %s-value: %w", topic, err)
	}
	contract := &Contract{ID: id, schema: schema}
	c.writers[place] = contract
	return contract, nil
}

// Encode writes Confluent's framing: a zero byte, the id (four bytes, big endian), the Avro.
func (c *Contract) Encode(value map[string]any) ([]byte, error) {
	var header sr.ConfluentHeader
	framed, err := header.AppendEncode(make([]byte, 0, 128), c.ID, nil)
	if err != nil {
		return nil, err
	}
	return c.schema.AppendEncode(framed, value)
}

// Decode reads a framed record of any registered schema, by the names of its fields.
func (c *Contracts) Decode(ctx context.Context, framed []byte) (map[string]any, error) {
	var header sr.ConfluentHeader
	id, payload, err := header.DecodeID(framed)
	if err != nil {
		return nil, err
	}
	schema, err := c.reader(ctx, id)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	_, err = schema.Decode(payload, &fields)
	return fields, err
}

func (c *Contracts) reader(ctx context.Context, id int) (*avro.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.readers[id]; found != nil {
		return found, nil
	}
	registered, err := c.client.SchemaByID(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	schema, err := avro.Parse(registered.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	c.readers[id] = schema
	return schema, nil
}
