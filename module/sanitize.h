/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's memory checkers are told about blocks. Each is empty where
 * its checker is not configured.
 */
#ifndef OBM_SANITIZE_H
#define OBM_SANITIZE_H

#include <linux/kasan.h>
#include <linux/kmemleak.h>
#include <linux/kmsan-checks.h>
#include <linux/types.h>

#ifdef CONFIG_KASAN_GENERIC
/*
 * Exported but declared only in mm/kasan/kasan.h. Value 0 over whole granules
 * makes memory accessible again: kasan_unpoison() itself is not exported.
 * Block sizes are multiples of 8, the granule.
 */
void kasan_poison(const void *addr, size_t size, u8 value, bool init);

#define OBM_KASAN_FREE		0xFB

static inline void block_poison(const void *ptr, size_t size)
{
	kasan_poison(ptr, size, OBM_KASAN_FREE, false);
}

static inline void block_unpoison(const void *ptr, size_t size)
{
	kasan_poison(ptr, size, 0, false);
}
#else
static inline void block_poison(const void *ptr, size_t size) { }
static inline void block_unpoison(const void *ptr, size_t size) { }
#endif

/* A block is being handed out. */
static inline void obm_san_alloc(const void *ptr, size_t size, gfp_t gfp)
{
	block_unpoison(ptr, size);
	kmsan_poison_memory(ptr, size, gfp);
	kmemleak_alloc(ptr, size, 1, gfp);
}

/* A block is coming back; nobody may touch it from here on. */
static inline void obm_san_free(const void *ptr, size_t size)
{
	kmemleak_free(ptr);
	kmsan_poison_memory(ptr, size, GFP_ATOMIC);
	block_poison(ptr, size);
}

/*
 * The same for an object that keeps what it holds while it is free. KMSAN is
 * not told, as SLUB does not: its content is as good as it was.
 */
static inline void obm_san_alloc_kept(const void *ptr, size_t size, gfp_t gfp)
{
	block_unpoison(ptr, size);
	kmemleak_alloc(ptr, size, 1, gfp);
}

static inline void obm_san_free_kept(const void *ptr, size_t size)
{
	kmemleak_free(ptr);
	block_poison(ptr, size);
}

/* A constructor is at work on a free block. */
static inline void obm_san_open(const void *ptr, size_t size)
{
	block_unpoison(ptr, size);
}

static inline void obm_san_close(const void *ptr, size_t size)
{
	block_poison(ptr, size);
}

/* Pages were taken that nobody may touch but through blocks. */
static inline void obm_san_get_pages(const void *addr, size_t size)
{
	block_poison(addr, size);
}

/* The pages go back to the page allocator. */
static inline void obm_san_put_pages(const void *addr, size_t size)
{
	block_unpoison(addr, size);
}

#endif /* OBM_SANITIZE_H */
