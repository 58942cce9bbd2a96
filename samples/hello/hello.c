// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest client of obmalloc: a heap of its own, a block in it, a cache for
 * objects of one type, and an error path that frees without being told to.
 */
#include <linux/module.h>
#include <linux/obmalloc.h>

struct greeting {
	char *text;
	unsigned int times;
};

static struct obm_heap *heap;
static struct obm_cache *greetings;
static struct greeting *greeting;

static int __init hello_init(void)
{
	struct obm_heap *new __free(obm_heap_destroy) =
		obm_heap_create("hello", NULL);

	if (IS_ERR(new))
		return PTR_ERR(new);
	greetings = obm_cache_create(new, "greeting", sizeof(*greeting),
				     __alignof__(*greeting), NULL);
	if (IS_ERR(greetings))
		return PTR_ERR(greetings);
	greeting = obm_cache_zalloc(greetings, GFP_KERNEL);
	if (!greeting)
		return -ENOMEM;
	greeting->text = obm_strdup(new, "hello, heap", GFP_KERNEL);
	if (!greeting->text)
		return -ENOMEM;
	pr_info("%s: a block of %zu bytes\n", greeting->text,
		obm_usable_size(greeting->text));
	heap = no_free_ptr(new);
	return 0;
}

static void __exit hello_exit(void)
{
	obm_free(greeting->text);
	obm_cache_free(greetings, greeting);
	/* And its caches. */
	obm_heap_destroy(heap);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The smallest client of obmalloc");
MODULE_IMPORT_NS(OBM_NS);
