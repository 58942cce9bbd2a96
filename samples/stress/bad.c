// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bad command: each mistake that a client can make with a pointer, made on
 * purpose, each in a function of its own, which the report must name. What the
 * mistake was made with is freed properly afterwards.
 */
#include "stress.h"

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* A size that 4096 is no multiple of, so that a pool has a rest. */
#define ODD_SIZE	304
#define RAW_SIZE	(3 * PAGE_SIZE)

/* The compiler knows some of these mistakes when it sees them. */
static void *disguise(const void *ptr)
{
	OPTIMIZER_HIDE_VAR(ptr);
	return (void *)ptr;
}

/* --- Pointers that are nobody's block ------------------------------------ */

static noinline int bad_kmalloc(struct obm_heap *heap)
{
	void *ptr = kmalloc(64, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	obm_free(ptr);
	kfree(ptr);
	return 0;
}

static noinline int bad_page(struct obm_heap *heap)
{
	unsigned long page = __get_free_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	obm_free((void *)page);
	free_page(page);
	return 0;
}

static noinline int bad_vmalloc(struct obm_heap *heap)
{
	void *ptr = vmalloc(PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	obm_free(ptr);
	vfree(ptr);
	return 0;
}

static noinline int bad_stack(struct obm_heap *heap)
{
	u64 word = 0;

	obm_free(disguise(&word));
	return word;
}

static noinline int bad_user(struct obm_heap *heap)
{
	obm_free(disguise((void *)PAGE_SIZE));
	return 0;
}

static noinline int bad_text(struct obm_heap *heap)
{
	obm_free(disguise((void *)_printk));
	return 0;
}

static noinline int bad_module_text(struct obm_heap *heap)
{
	obm_free(disguise((void *)bad_text));
	return 0;
}

static noinline int bad_error(struct obm_heap *heap)
{
	obm_free(ERR_PTR(-ENOMEM));
	return 0;
}

static noinline int bad_wild(struct obm_heap *heap)
{
	obm_free(disguise((void *)(ULONG_MAX / 3 * 2)));
	return 0;
}

static noinline int bad_realloc(struct obm_heap *heap)
{
	void *ptr = kmalloc(64, GFP_KERNEL);
	int err = ptr ? 0 : -ENOMEM;

	if (ptr && obm_realloc(heap, ptr, 128, GFP_KERNEL))
		err = -EUCLEAN;
	kfree(ptr);
	return err;
}

static noinline int bad_usable_size(struct obm_heap *heap)
{
	void *ptr = kmalloc(64, GFP_KERNEL);
	int err = ptr ? 0 : -ENOMEM;

	if (ptr && obm_usable_size(ptr))
		err = -EUCLEAN;
	kfree(ptr);
	return err;
}

/* --- Pointers near a block ----------------------------------------------- */

static int free_beside(struct obm_heap *heap, size_t size, size_t offset,
		       void (*bad)(void *ptr))
{
	void *ptr = obm_alloc(heap, size, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	bad(ptr + offset);
	/* Refused, it changed nothing: the block is still one. */
	offset = obm_usable_size(ptr) >= size;
	obm_free(ptr);
	return offset ? 0 : -EUCLEAN;
}

#define BESIDE(what, size, offset)					\
static noinline void what##_free(void *ptr)				\
{									\
	obm_free(ptr);							\
	barrier();							\
}									\
									\
static int what(struct obm_heap *heap)					\
{									\
	return free_beside(heap, size, offset, what##_free);		\
}

BESIDE(bad_misaligned, 64, 1)
BESIDE(bad_interior, 64, 8)
BESIDE(bad_raw_misaligned, RAW_SIZE, PAGE_SIZE + 4)
BESIDE(bad_raw_interior, RAW_SIZE, PAGE_SIZE)

/* Behind the last block of the pool. */
static noinline int bad_rest(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, ODD_SIZE, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	obm_free((void *)(((unsigned long)ptr | ~PAGE_MASK) - 7));
	obm_free(ptr);
	return 0;
}

/* --- Blocks that are none any more --------------------------------------- */

/* Another block of the pool keeps it in use. */
static noinline int bad_double(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, 64, GFP_KERNEL);
	void *other = obm_alloc(heap, 64, GFP_KERNEL);

	obm_free(ptr);
	obm_free(disguise(ptr));
	obm_free(other);
	return ptr && other ? 0 : -ENOMEM;
}

/* The pool's only block; the arena stays, being the spare. */
static noinline int bad_stale(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, ODD_SIZE, GFP_KERNEL);

	obm_free(ptr);
	obm_free(disguise(ptr));
	return ptr ? 0 : -ENOMEM;
}

/* The arena is given back too: whose page it is then, nobody knows. */
static noinline int bad_returned(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, ODD_SIZE, GFP_KERNEL);

	obm_free(ptr);
	obm_heap_trim(heap);
	obm_free(disguise(ptr));
	return ptr ? 0 : -ENOMEM;
}

static noinline int bad_raw_double(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, RAW_SIZE, GFP_KERNEL);

	obm_free(ptr);
	obm_free(disguise(ptr));
	return ptr ? 0 : -ENOMEM;
}

/* --- The wrong heap or size ---------------------------------------------- */

/* Ends the heap that was wrongly named, which has counted the mistake. */
static int end_other(struct obm_heap *other)
{
	struct obm_stats stats;

	obm_heap_stats(other, &stats);
	obm_heap_destroy(other);
	return stats.nr_bad[OBM_BAD_HEAP] == 1 ? 0 : -EUCLEAN;
}

static noinline int bad_heap(struct obm_heap *heap)
{
	struct obm_heap *other = obm_heap_create("bad_heap", NULL);
	void *ptr = obm_alloc(heap, 64, GFP_KERNEL);

	if (!IS_ERR(other))
		obm_free_sized(other, ptr, 64);
	obm_free(ptr);
	return IS_ERR(other) ? PTR_ERR(other) : end_other(other);
}

static noinline int bad_heap_realloc(struct obm_heap *heap)
{
	struct obm_heap *other = obm_heap_create("bad_heap", NULL);
	void *ptr = obm_alloc(heap, RAW_SIZE, GFP_KERNEL);
	void *new = NULL;

	if (!IS_ERR(other))
		new = obm_realloc(other, ptr, 64, GFP_KERNEL);
	obm_free(ptr);
	if (IS_ERR(other))
		return PTR_ERR(other);
	return end_other(other) ?: new ? -EUCLEAN : 0;
}

static noinline int bad_heap_destroy(struct obm_heap *heap)
{
	struct obm_heap *other = obm_heap_create("bad_heap", NULL);

	if (IS_ERR(other))
		return PTR_ERR(other);
	obm_heap_destroy(other);
	return obm_heap_destroy(disguise(other)) ? -EUCLEAN : 0;
}

static noinline int bad_size(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, 64, GFP_KERNEL);

	obm_free_sized(heap, ptr, 128);
	obm_free(ptr);
	return ptr ? 0 : -ENOMEM;
}

static noinline int bad_raw_size(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, RAW_SIZE, GFP_KERNEL);

	obm_free_sized(heap, ptr, RAW_SIZE + 1);
	obm_free(ptr);
	return ptr ? 0 : -ENOMEM;
}

static noinline int bad_nofail(struct obm_heap *heap)
{
	void *ptr = obm_alloc(heap, PAGE_SIZE + 1, GFP_KERNEL | __GFP_NOFAIL);

	obm_free(ptr);
	return ptr ? -EUCLEAN : 0;
}

#define KIND(what)	{ #what, bad_##what }

static const struct {
	const char *name;
	int (*fn)(struct obm_heap *heap);
} kinds[] = {
	KIND(kmalloc), KIND(page), KIND(vmalloc), KIND(stack), KIND(user),
	KIND(text), KIND(module_text), KIND(error), KIND(wild), KIND(realloc),
	KIND(usable_size), KIND(misaligned), KIND(interior),
	KIND(raw_misaligned), KIND(raw_interior), KIND(rest), KIND(double),
	KIND(stale), KIND(returned), KIND(raw_double), KIND(heap),
	KIND(heap_realloc), KIND(heap_destroy), KIND(size), KIND(raw_size),
	KIND(nofail),
};

/* Makes the mistake n times over. */
int stress_bad(struct stress_command *cmd)
{
	struct stress_heap *sh;
	unsigned int i, n;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, cmd->kind))
			break;
	if (i == ARRAY_SIZE(kinds))
		return stress_refuse(cmd->result, -EINVAL, "no such kind '%s'",
				     cmd->kind);
	sh = stress_heap_get(cmd);
	if (IS_ERR(sh))
		return PTR_ERR(sh);
	for (n = 0; n < cmd->n && !err; n++)
		err = kinds[i].fn(sh->heap);
	stress_heap_put(sh);
	if (err)
		return stress_refuse(cmd->result, err, "bad_%s gave %d",
				     kinds[i].name, err);
	stress_say(cmd->result, "made=%u\n", n);
	return 0;
}
