// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports, in KFENCE's manner: a first line that tells one bug from another,
 * then what is known of it, then who did it. Nothing is ever changed on account
 * of a bad pointer, so the kernel goes on.
 */
#include "internal.h"

/* A hostile loop must not fill the log; the counters go on counting. */
static DEFINE_RATELIMIT_STATE(report_limit, 5 * HZ, 20);

static const char *const bad_titles[OBM_NR_BAD] = {
	[OBM_BAD_FOREIGN] = "foreign pointer",
	[OBM_BAD_MISALIGNED] = "misaligned pointer",
	[OBM_BAD_INTERIOR] = "interior pointer",
	[OBM_BAD_STALE] = "stale pointer",
	[OBM_BAD_DOUBLE] = "double free",
	[OBM_BAD_HEAP] = "wrong heap",
	[OBM_BAD_SIZE] = "wrong size",
	[OBM_BAD_NOFAIL] = "__GFP_NOFAIL above one page",
	[OBM_BAD_TYPE] = "misbehaving type",
	[OBM_BAD_REF] = "bad reference",
};

/* What kind of address a foreign pointer is. */
static const char *foreign_kind(const void *ptr)
{
	unsigned long addr = (unsigned long)ptr;

	if (IS_ERR(ptr))
		return "an error code";
	if (object_is_on_stack(ptr))
		return "on this task's stack";
	if (is_vmalloc_addr(ptr))
		return "a vmalloc address";
	if (virt_addr_valid(ptr))
		return "in a page of somebody else";
	/* Last: user mode Linux has the kernel among such addresses. */
	if (addr < TASK_SIZE)
		return "a user address";
	return "no address of memory";
}

/* Where in a heap a pointer lies, in numbers that reveal no address. */
static void report_place(const void *ptr)
{
	unsigned long owner = obm_page_owner(ptr);
	const struct obm_pool *pool = (void *)owner;
	const struct obm_arena *arena;
	const struct obm_class *class;
	unsigned int ci;

	if (!owner)
		return;
	if (owner & OBM_OWNER_RAW) {
		const struct obm_raw *raw = (void *)(owner & ~OBM_OWNER_RAW);

		pr_err("  heap %s, raw block of %u pages, offset %zu\n",
		       raw->heap->name, READ_ONCE(raw->nr_pages),
		       (size_t)(ptr - page_address(raw->page)));
		return;
	}
	/* Peeks without the lock: the report may be late, never wild. */
	arena = pool_arena(pool);
	ci = pool_ci(pool);
	class = &obm_classes[ci];
	if (ci == OBM_MIXED) {
		pr_err("  heap %s, node %d, arena %lu, pool %u of several classes, offset %u\n",
		       arena->node->heap->name, arena->node->nid, arena->id,
		       pool->idx, pool_offset(pool, ptr));
		return;
	}
	pr_err("  heap %s, node %d, arena %lu, pool %u, class %u (%u bytes), block %u, offset %u\n",
	       arena->node->heap->name, arena->node->nid, arena->id, pool->idx,
	       ci, class->size,
	       class_block(class, pool_offset(pool, ptr)),
	       pool_offset(pool, ptr) % class->size);
}

static struct obm_heap *owner_heap(const void *ptr)
{
	unsigned long owner = obm_page_owner(ptr);

	if (!owner)
		return NULL;
	if (owner & OBM_OWNER_RAW)
		return ((struct obm_raw *)(owner & ~OBM_OWNER_RAW))->heap;
	return pool_arena((struct obm_pool *)owner)->node->heap;
}

/**
 * obm_report() - report and count a mistake of a caller
 * @heap: the heap that the caller named, or NULL: then the pointer's own
 * @bad: what is wrong
 * @ptr: the pointer
 * @caller: return address in the caller
 *
 * Context: Any context but NMI; under rcu_read_lock() if @ptr led to a heap.
 */
void obm_report(struct obm_heap *heap, enum obm_bad bad, const void *ptr,
		unsigned long caller)
{
	if (!heap && bad != OBM_BAD_HEAP)
		heap = owner_heap(ptr);
	atomic_long_inc(heap ? &heap->nr_bad[bad] : &obm_nr_bad[bad]);

	if (!__ratelimit(&report_limit))
		return;
	pr_err("BUG: OBM: %s in %pS\n", bad_titles[bad], (void *)caller);
	if (bad == OBM_BAD_FOREIGN)
		pr_err("  pointer %p is %s\n", ptr, foreign_kind(ptr));
	else if (heap && ptr)
		report_place(ptr);
	if (heap)
		pr_err("  refused, %ld in heap %s so far\n",
		       atomic_long_read(&heap->nr_bad[bad]), heap->name);
	dump_stack();
	add_taint(TAINT_BAD_PAGE, LOCKDEP_STILL_OK);
}

/**
 * obm_report_misuse() - report and count what is no matter of a pointer
 * @heap: the heap
 * @bad: what is wrong
 * @of: name of a type, or NULL
 * @fmt: what is known of it
 *
 * Context: Any context but NMI.
 */
void obm_report_misuse(struct obm_heap *heap, enum obm_bad bad, const char *of,
		       const char *fmt, ...)
{
	char text[128];
	va_list args;

	atomic_long_inc(&heap->nr_bad[bad]);
	if (!__ratelimit(&report_limit))
		return;
	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pr_err("BUG: OBM: %s%s%s: %s\n", bad_titles[bad], of ? " " : "",
	       of ?: "", text);
	pr_err("  refused, %ld in heap %s so far\n",
	       atomic_long_read(&heap->nr_bad[bad]), heap->name);
	dump_stack();
	add_taint(TAINT_BAD_PAGE, LOCKDEP_STILL_OK);
}

/* An invariant of our own does not hold; what to look at is named. */
void obm_report_broken(const struct obm_heap *heap, const char *what,
		       unsigned long arena_id, unsigned int pool)
{
	pr_err("BUG: OBM: broken invariant in heap %s: %s (arena %lu, pool %u)\n",
	       heap->name, what, arena_id, pool);
	add_taint(TAINT_BAD_PAGE, LOCKDEP_STILL_OK);
}
