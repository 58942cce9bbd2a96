// SPDX-License-Identifier: GPL-2.0-only
/*
 * Magazines, after Bonwick and Adams ("Magazines and Vmem"): how they come to
 * be, grow and go. Where they are used, and by whom, says front.c.
 *
 * One begins with a dozen blocks and is replaced by one of twice the size while
 * it proves too small and the heap's budget lasts. No class takes more than an
 * sixteenth of the budget of one CPU, so that the first ones leave room for others.
 */
#include "mag.h"

#define MAG_WALL		((void *)1UL)
#define MAG_SHARE		16

unsigned int obm_front_max = OBM_FRONT_MAX;
unsigned int obm_front_kib = 512;

/* What a slot without a magazine shows: empty, and full. Never written to. */
static void * const mag_none[] = { NULL, MAG_WALL };

void **obm_mag_none(void)
{
	return (void **)mag_none;
}

/* Powers of two, which is what kmalloc() has. */
static size_t mag_bytes(unsigned int cap)
{
	size_t bytes = sizeof(struct obm_mag) + (cap + 2) * sizeof(void *);

	return max_t(size_t, roundup_pow_of_two(bytes), MAG_BYTES_MIN);
}

static unsigned int mag_cap(size_t bytes)
{
	return (bytes - sizeof(struct obm_mag)) / sizeof(void *) - 2;
}

static_assert(sizeof(struct obm_mag) + (OBM_FRONT_MAX + 2) * sizeof(void *) <=
	      2048);

static size_t mag_budget(unsigned int ci, unsigned int cap)
{
	return (size_t)cap * obm_classes[ci].size;
}

/* Takes room in the heap's budget for what a magazine may hold. */
static bool mag_reserve(struct obm_heap *heap, size_t bytes)
{
	long budget = (long)obm_front_kib * 1024 * num_possible_cpus();

	if (atomic_long_add_return(bytes, &heap->front_bytes) <= budget)
		return true;
	atomic_long_sub(bytes, &heap->front_bytes);
	return false;
}

/* What a magazine may hold at most; not less than the smallest one. */
static unsigned int mag_cap_max(unsigned int ci)
{
	size_t share = (size_t)obm_front_kib * 1024 / MAG_SHARE;

	size_t most = class_is_cache(ci) ? class_cache(ci)->depth :
					   obm_front_max;

	most = min_t(size_t, most, obm_front_max);
	return min(max_t(size_t, share / obm_classes[ci].size, MAG_MIN), most);
}

/**
 * obm_mag_fit_cap() - what a magazine should have room for
 * @ci: class
 * @want: blocks that it has to hold
 *
 * Return: @want blocks and what the memory then has room for besides; less if
 * that would be too much for the class.
 */
unsigned int obm_mag_fit_cap(unsigned int ci, unsigned int want)
{
	return min(mag_cap(mag_bytes(want)), mag_cap_max(ci));
}

/**
 * obm_mag_new() - make an empty magazine
 * @heap: to charge
 * @ci: class of the blocks
 * @cap: blocks to have room for, from obm_mag_fit_cap()
 * @gfp: of the request; only what can be had without waiting is taken
 *
 * Context: Any context that kmalloc() may be called in without sleeping.
 * Return: the magazine, or NULL if there is no memory, no room under the heap's
 * limit or in its budget.
 */
struct obm_mag *obm_mag_new(struct obm_heap *heap, unsigned int ci,
			    unsigned int cap, gfp_t gfp)
{
	size_t bytes = mag_bytes(cap);
	struct obm_mag *mag;

	if (!mag_reserve(heap, mag_budget(ci, cap)))
		return NULL;
	gfp = obm_meta_gfp(gfp) & ~(__GFP_NOFAIL | __GFP_DIRECT_RECLAIM);
	if (!obm_charge(heap, bytes, gfp))
		goto err_budget;
	mag = kzalloc(bytes, gfp | __GFP_NOWARN);
	if (!mag)
		goto err_charge;
	obm_charge_peak(heap);
	atomic_long_add(bytes, &heap->mag_bytes);
	mag->cap = cap;
	mag->batch = OBM_BATCH;
	mag->words[cap + 1] = MAG_WALL;
	return mag;

err_charge:
	obm_uncharge(heap, bytes);
err_budget:
	atomic_long_sub(mag_budget(ci, cap), &heap->front_bytes);
	return NULL;
}

/* Frees a magazine; what is in it is not looked at. */
void obm_mag_free(struct obm_heap *heap, unsigned int ci, struct obm_mag *mag)
{
	size_t bytes = mag_bytes(mag->cap);

	atomic_long_sub(mag_budget(ci, mag->cap), &heap->front_bytes);
	atomic_long_sub(bytes, &heap->mag_bytes);
	obm_uncharge(heap, bytes);
	kfree(mag);
}

/* The lowest @nr blocks of one magazine into an empty one, which is larger. */
unsigned int obm_mag_move(struct obm_mag *to, struct obm_mag *from,
			  unsigned int nr)
{
	words_copy(to->words + 1, from->words + 1, nr);
	return nr;
}

/*
 * Takes a batch out of a full magazine: of the bottom, where those blocks are
 * that have waited longest; but a few of the top, for which all others need not
 * be moved. Returns how many.
 */
unsigned int obm_mag_take(struct obm_mag *mag, void **ptrs)
{
	unsigned int nr = min((mag->cap + 1U) / 2, 0U + mag->batch);
	unsigned int rest = mag->cap - nr;
	void **words = mag->words + 1;

	if (nr < rest / 4) {
		words_take(ptrs, words + rest, nr);
		return nr;
	}
	words_copy(ptrs, words, nr);
	words_copy(words, words + nr, rest);
	memset(words + rest, 0, nr * sizeof(*words));
	return nr;
}

/*
 * Empties detached magazines into the pools; returns how many blocks, and adds
 * to @nr_pages the pages of arenas that this has emptied.
 */
unsigned long obm_mags_release(struct obm_heap *heap, struct obm_mag *list,
			       unsigned long *nr_pages)
{
	unsigned long total = 0;
	struct obm_mag *mag;

	while (list) {
		mag = list;
		list = mag->next;
		*nr_pages += obm_node_put(heap, mag->ci, mag->words + 1,
					  mag->nr, _RET_IP_);
		total += mag->nr;
		obm_mag_free(heap, mag->ci, mag);
	}
	return total;
}
