// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frees that wait for a grace period of RCU.
 *
 * The blocks of a heap wait in a list linked through their own rcu_heads, one
 * call_rcu() for all that came before it, and a work item frees them: as many as
 * there may be, they are not freed in a soft interrupt. kfree_rcu() batches for
 * the same reasons. Here there is one more: a head that is given to call_rcu()
 * twice makes a ring of RCU's own list. A list of ours leaves us the func word
 * of the head for a mark. The mark is the head's address xored with a secret:
 * a copy of a waiting block, or what was in its memory before, has none.
 *
 *	head is marked and linked	__obm_free_rcu()
 *	all of rcu_new to rcu_wait	rcu_start(), then call_rcu()
 *	a grace period			rcu_elapsed(), then schedule_work()
 *	mark is removed, block freed	rcu_free_work()
 *
 * Whoever sets rcu_busy owns the steps from the second on.
 */
#include "internal.h"

static unsigned long rcu_secret __ro_after_init;

/* A head is a node of our lists, too. */
static_assert(sizeof(struct rcu_head) >= sizeof(struct llist_node));
static_assert(offsetof(struct rcu_head, next) ==
	      offsetof(struct llist_node, next));

static struct llist_node *head_node(struct rcu_head *head)
{
	return (struct llist_node *)head;
}

/* Of a head that waits; nobody calls it. */
static unsigned long *head_word(struct rcu_head *head)
{
	return (unsigned long *)&head->func;
}

static unsigned long head_mark(const struct rcu_head *head)
{
	return (unsigned long)head ^ rcu_secret;
}

/* False if it is marked, or somebody else is just marking it. */
static bool head_set_mark(struct rcu_head *head)
{
	unsigned long *word = head_word(head), old;

	/* Whatever is in it was never written, or long ago. */
	kmsan_unpoison_memory(head, sizeof(*head));
	old = READ_ONCE(*word);
	return old != head_mark(head) &&
	       cmpxchg(word, old, head_mark(head)) == old;
}

static void rcu_elapsed(struct rcu_head *gp)
{
	schedule_work(&container_of(gp, struct obm_heap, rcu_gp)->rcu_work);
}

/* For whoever has set rcu_busy. */
static void rcu_start(struct obm_heap *heap)
{
	heap->rcu_wait = llist_del_all(&heap->rcu_new);
	call_rcu(&heap->rcu_gp, rcu_elapsed);
}

/*
 * Frees the block that a head lies in. False if the mark is gone: somebody has
 * freed the block, or written to it, while it waited. Then nothing in the head
 * is to be trusted.
 */
static bool rcu_free_one(struct obm_heap *heap, struct rcu_head *head)
{
	struct obm_block block;

	if (READ_ONCE(*head_word(head)) != head_mark(head))
		return false;
	rcu_read_lock();
	obm_block_find(head, &block);
	rcu_read_unlock();
	if (!block.base || block.heap != heap)
		return false;
	WRITE_ONCE(*head_word(head), 0);
	obm_free(block.base);
	return true;
}

static void rcu_free_list(struct obm_heap *heap, struct llist_node *node)
{
	struct llist_node *next;

	for (; node; node = next) {
		next = READ_ONCE(node->next);
		if (!rcu_free_one(heap, (struct rcu_head *)node)) {
			rcu_read_lock();
			obm_report(heap, OBM_BAD_DOUBLE, node, _RET_IP_);
			rcu_read_unlock();
			/* The others are lost; the heap counts them as leaks. */
			return;
		}
		cond_resched();
	}
}

static void rcu_free_work(struct work_struct *work)
{
	struct obm_heap *heap = container_of(work, struct obm_heap, rcu_work);

	rcu_free_list(heap, heap->rcu_wait);
	if (llist_empty(&heap->rcu_new)) {
		/*
		 * A full barrier, as llist_add() in __obm_free_rcu() is one:
		 * who adds now sees that nobody is busy, or we see the head.
		 */
		atomic_xchg(&heap->rcu_busy, 0);
		if (llist_empty(&heap->rcu_new) ||
		    atomic_xchg(&heap->rcu_busy, 1))
			return;
	}
	rcu_start(heap);
}

static bool head_fits(const struct obm_block *block, const void *head)
{
	return head >= block->base && head + sizeof(struct rcu_head) <=
				      block->base + block->size;
}

/* obm_free_rcu() with the member's address; documented there. */
void __obm_free_rcu(const void *ptr, struct rcu_head *head)
{
	struct obm_block block;
	enum obm_bad bad;

	if (!ptr)
		return;
	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	if (bad == OBM_OK && !head_fits(&block, head))
		bad = OBM_BAD_SIZE;
	if (bad == OBM_OK && !head_set_mark(head))
		bad = OBM_BAD_DOUBLE;
	if (unlikely(bad != OBM_OK))
		obm_report(NULL, bad, ptr, _RET_IP_);
	else if (llist_add(head_node(head), &block.heap->rcu_new) &&
		 !atomic_xchg(&block.heap->rcu_busy, 1))
		rcu_start(block.heap);
	rcu_read_unlock();
}
EXPORT_SYMBOL_NS_GPL(__obm_free_rcu, OBM_NS);

/**
 * obm_free_rcu_mightsleep() - wait for a grace period of RCU, then free a block
 * @ptr: as for obm_free(); NULL does nothing and waits for nothing
 *
 * For blocks that have no room for a struct rcu_head. What is no block is
 * refused with a report before anything is waited for.
 *
 * Context: Process context, not under rcu_read_lock(). Sleeps for a whole grace
 * period. Takes and drops a lock of the block's heap.
 */
void obm_free_rcu_mightsleep(const void *ptr)
{
	struct obm_block block;
	enum obm_bad bad;

	might_sleep();
	if (!ptr)
		return;
	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	if (unlikely(bad != OBM_OK))
		obm_report(NULL, bad, ptr, _RET_IP_);
	rcu_read_unlock();
	if (bad != OBM_OK)
		return;
	synchronize_rcu();
	obm_free(ptr);
}
EXPORT_SYMBOL_NS_GPL(obm_free_rcu_mightsleep, OBM_NS);

void obm_rcu_create(struct obm_heap *heap)
{
	init_llist_head(&heap->rcu_new);
	INIT_WORK(&heap->rcu_work, rcu_free_work);
}

/**
 * obm_rcu_drain() - wait until no block of a heap waits for RCU any more
 * @heap: the heap, which nobody uses any more
 *
 * Waits for nothing if none does.
 *
 * Context: Process context, may sleep.
 */
void obm_rcu_drain(struct obm_heap *heap)
{
	/* At most twice: for those that wait, and those that came after. */
	while (atomic_read(&heap->rcu_busy)) {
		rcu_barrier();
		flush_work(&heap->rcu_work);
	}
	/* It may have said so and not yet returned. */
	flush_work(&heap->rcu_work);
}

/**
 * obm_rcu_wait() - wait until the blocks are free that wait for RCU just now
 * @heap: the heap
 *
 * Context: Process context, may sleep.
 */
void obm_rcu_wait(struct obm_heap *heap)
{
	unsigned int i;

	/* Twice: they may have come after those that are waited for. */
	for (i = 0; i < 2 && atomic_read(&heap->rcu_busy); i++) {
		rcu_barrier();
		flush_work(&heap->rcu_work);
	}
}

void __init obm_rcu_init(void)
{
	rcu_secret = get_random_long();
}
