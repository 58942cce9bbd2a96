/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Magazines: arrays of free blocks that wait on a CPU. obm_front.h tells how one
 * looks; here is what the hit path does not see of it.
 */
#ifndef OBM_MAG_H
#define OBM_MAG_H

#include "internal.h"

/**
 * struct obm_mag - free blocks of one class
 * @next: in a list of detached ones
 * @cap: blocks that there is room for
 * @nr: of a detached one: blocks in it
 * @ci: of a detached one: their class
 * @words: a lower wall, which is NULL, @cap blocks, and an upper wall, which is
 *	   not; behind the topmost block there are NULLs only
 */
struct obm_mag {
	struct obm_mag *next;
	u16 cap;
	u16 nr;
	u16 ci;
	void *words[];
};

/* A few words, upwards: too few for the start of a string instruction. */
static inline void words_copy(void **to, void **from, unsigned int nr)
{
	for (; nr >= 4; nr -= 4, to += 4, from += 4) {
		to[0] = from[0];
		to[1] = from[1];
		to[2] = from[2];
		to[3] = from[3];
	}
	while (nr--)
		*to++ = *from++;
}

static inline void words_clear(void **to, unsigned int nr)
{
	for (; nr >= 4; nr -= 4, to += 4) {
		to[0] = NULL;
		to[1] = NULL;
		to[2] = NULL;
		to[3] = NULL;
	}
	while (nr--)
		*to++ = NULL;
}

/* The first magazine of a class; below that there is none. */
#define MAG_MIN			6U
/* Bytes of the smallest; each further size is twice as large. */
#define MAG_BYTES_MIN		128U

void **obm_mag_none(void);
struct obm_mag *obm_mag_new(struct obm_heap *heap, unsigned int ci,
			    unsigned int cap, gfp_t gfp);
void obm_mag_free(struct obm_heap *heap, unsigned int ci, struct obm_mag *mag);
unsigned int obm_mag_fit_cap(unsigned int ci, unsigned int want);
unsigned int obm_mag_move(struct obm_mag *to, struct obm_mag *from,
			  unsigned int nr);
unsigned int obm_mag_take_old(struct obm_mag *mag, unsigned int most,
			      void **ptrs);
unsigned long obm_mags_release(struct obm_heap *heap, struct obm_mag *list);

#endif /* OBM_MAG_H */
