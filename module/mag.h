/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Magazines: arrays of free blocks that wait on a CPU. obm_front.h tells how one
 * looks; here is what the hit path does not see of it.
 */
#ifndef OBM_MAG_H
#define OBM_MAG_H

#include "cache.h"

/**
 * struct obm_mag - free blocks of one class
 * @next: in a list of detached ones
 * @cap: blocks that there is room for
 * @batch: blocks that go in or out at once, if they are no more than half of it
 * @hold: how often it should not be asked whether to grow
 * @run: how many batches in a row went out of it; less than 0: in
 * @both: batches went both ways
 * @nr: of a detached one: blocks in it
 * @ci: of a detached one: their class
 * @words: a lower wall, which is NULL, @cap blocks, and an upper wall, which is
 *	   not; behind the topmost block there are NULLs only
 */
struct obm_mag {
	struct obm_mag *next;
	u8 cap;
	u8 nr;
	u16 ci;
	u8 batch;
	u8 hold;
	s8 run : 7;
	u8 both : 1;
	void *words[];
};

/* Up to here a magazine grows whenever it is empty or full. */
#define MAG_EASY		28
/* After a wish for a larger one was refused. */
#define MAG_HOLD		32

#define MAG_BATCH_MIN		4U
/* So many batches one way, and they get larger. */
#define MAG_RUN			4

/*
 * A batch has gone out (1) or in (-1). What goes out to come back soon should be
 * little, and what goes one way may be much. Returns whether the magazine should
 * be larger: one that is only filled, or only emptied, would gain nothing by it.
 */
static inline bool mag_turn(struct obm_mag *mag, int way)
{
	bool turned = mag->run * way < 0;

	mag->both |= turned;
	mag->run = turned ? way : clamp(mag->run + way, -MAG_RUN, MAG_RUN);
	if (turned)
		mag->batch = max(mag->batch / 2U, MAG_BATCH_MIN);
	else if (mag->run * way == MAG_RUN)
		mag->batch = min(mag->batch * 2U, OBM_BATCH);
	if (mag->hold && mag->hold--)
		return false;
	return mag->cap < MAG_EASY || mag->both;
}

/*
 * A few words, upwards: too few for the start of a string instruction. By whole
 * lines, once the odd words are done, so that counting costs little.
 */
#define WORDS_LINE		8

static __always_inline void words_copy(void **to, void **from, size_t nr)
{
	unsigned int i;

	for (; nr % WORDS_LINE; nr--)
		*to++ = *from++;
	for (; nr; nr -= WORDS_LINE) {
#pragma GCC unroll 8
		for (i = 0; i < WORDS_LINE; i++)
			to[i] = from[i];
		to += WORDS_LINE;
		from += WORDS_LINE;
	}
}

/* Copies, and clears what was copied. */
static __always_inline void words_take(void **to, void **from, size_t nr)
{
	unsigned int i;

	for (; nr % WORDS_LINE; nr--, to++, from++) {
		*to = *from;
		*from = NULL;
	}
	for (; nr; nr -= WORDS_LINE) {
#pragma GCC unroll 8
		for (i = 0; i < WORDS_LINE; i++) {
			to[i] = from[i];
			from[i] = NULL;
		}
		to += WORDS_LINE;
		from += WORDS_LINE;
	}
}

/* The first magazine of a class; below that there is none. */
#define MAG_MIN			OBM_DEPTH_MIN
/* Bytes of the smallest; each further size is twice as large. */
#define MAG_BYTES_MIN		128U

void **obm_mag_none(void);
struct obm_mag *obm_mag_new(struct obm_heap *heap, unsigned int ci,
			    unsigned int cap, gfp_t gfp);
void obm_mag_free(struct obm_heap *heap, unsigned int ci, struct obm_mag *mag);
unsigned int obm_mag_fit_cap(unsigned int ci, unsigned int want);
unsigned int obm_mag_move(struct obm_mag *to, struct obm_mag *from,
			  unsigned int nr);
unsigned int obm_mag_take(struct obm_mag *mag, void **ptrs);
unsigned long obm_mags_release(struct obm_heap *heap, struct obm_mag *list,
			       unsigned long *nr_pages);

#endif /* OBM_MAG_H */
