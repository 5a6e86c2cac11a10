/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The one function of a fuzz target.  libFuzzer calls it with inputs of its
 * own making, replay.c with those of the corpus.  A target that finds
 * something ends the process: by ASSERT, by a sanitizer, by the kernel.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include "compat.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#endif /* FUZZ_H */
