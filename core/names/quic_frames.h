/*
 * Frames of an Initial packet (RFC 9000, 12.4 and 19) after decryption: CRYPTO frames are put
 * together, the others are skipped.
 */
#ifndef SENSE_NAMES_QUIC_FRAMES_H
#define SENSE_NAMES_QUIC_FRAMES_H

#include "core/names/cursor.h"
#include "core/names/pieces.h"

/* A variable-length integer (RFC 9000, 16). */
uint64_t sense_quic_varint(struct sense_cursor *c);

/*
 * Adds the CRYPTO frames of a packet to the stream. False when the packet holds what an Initial
 * must not (frames before it are kept), or memory ran out.
 */
bool sense_quic_frames(struct sense_pieces *crypto_stream, const uint8_t *plain, size_t len);

#endif
