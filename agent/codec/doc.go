// Package codec encrypts and compresses payloads: what workflows and activities
// take and return, details of heartbeats, memos, summaries, and the messages of
// errors. Temporal's server, its database and its backups then hold none of it
// in the clear. What stays readable is what the server works with: ids, names of
// types and queues, search attributes, times, classes of errors.
//
// Nothing is encoded unless a program asks for it, with the same keys in all
// workers and clients:
//
//	keys, err := codec.ReadKeys("/run/secrets/payload-keys")
//	...
//	reg := registry.New(registry.Options{
//		ClientOptions: func(o *client.Options) { codec.Apply(o, codec.Encryption(keys), codec.Compression()) },
//	})
//
// In this order payloads are compressed first. Payloads that are not encoded are
// read as they are, so that workflows which began before can go on.
//
// # Keys
//
// A key has an id, which stands beside each payload. New payloads are encrypted
// with the first key, and read with whichever key they name. To change keys:
//
//  1. Add the new key behind the present one, everywhere.
//  2. Move it to the front, everywhere.
//  3. Remove the old one when the last history that names it has expired.
//
// The encryption is AES-256 in Galois counter mode with random nonces, of which
// one key should not see more than 2^32 payloads: change keys before that. The
// format is that of the encryption samples of Temporal's SDKs.
//
// # Web UI
//
// [Handler] is a codec server: with its address in the UI's settings, a browser
// shows what is encrypted.
package codec
