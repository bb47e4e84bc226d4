/*
 * The worker's side: packets in the order they came, from the ring that they go to now, behind what is left
 * of the one that they went to before.
 */
#ifndef PACKET_READER_H
#define PACKET_READER_H

#include "core/sense_plugin.h"

extern const struct sense_capture_ops reader_ops;

#endif
