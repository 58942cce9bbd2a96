// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest client of obmalloc: a heap of its own, a block in it, and an
 * error path that frees without being told to.
 */
#include <linux/module.h>
#include <linux/obmalloc.h>

static struct obm_heap *heap;
static char *greeting;

static int __init hello_init(void)
{
	struct obm_heap *new __free(obm_heap_destroy) =
		obm_heap_create("hello", NULL);

	if (IS_ERR(new))
		return PTR_ERR(new);
	greeting = obm_strdup(new, "hello, heap", GFP_KERNEL);
	if (!greeting)
		return -ENOMEM;
	pr_info("%s: a block of %zu bytes\n", greeting,
		obm_usable_size(greeting));
	heap = no_free_ptr(new);
	return 0;
}

static void __exit hello_exit(void)
{
	obm_free(greeting);
	obm_heap_destroy(heap);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The smallest client of obmalloc");
MODULE_IMPORT_NS(OBM_NS);
