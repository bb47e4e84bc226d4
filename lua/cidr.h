/* Networks in CIDR notation (RFC 4632; RFC 4291, 2.3), on the 16-byte form of addresses. */
#ifndef SENSE_LUA_CIDR_H
#define SENSE_LUA_CIDR_H

#include "core/rules/rule.h"

/* "10.0.0.0/8", "fd00::/8", or an address alone. False when it is neither. */
bool sense_cidr_parse(const char *text, struct sense_cidr *out);
bool sense_cidr_holds(const struct sense_cidr *network, const struct sense_addr *addr);

#endif
