/*
 * See sandbox_calls.h. A list of what is refused, not of what is allowed:
 * tools are programs of anybody's.
 */
#include "agent/sandbox_calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "common/err.h"
#include "common/mem.h"

#define BY_TREE 2		/* SCMP_FLTATR_CTL_OPTIMIZE: not one by one */

static const int calls[] = {
#define CALL(name) SCMP_SYS(name),
#include "agent/sandbox.def"
#undef CALL
};

/* New namespaces, by the flag that asks for them. */
static const uint64_t spaces[] = {
	CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
	CLONE_NEWUTS, CLONE_NEWCGROUP,
};

/* Typing into the terminal that somebody started us from. */
static const unsigned terminal[] = {TIOCSTI, TIOCLINUX};

int sandbox_calls_count(void)
{
	return (int)ARRAY_LEN(calls);
}

/* Programs of the other kinds that this machine runs are held to it too. */
static int add_kinds(scmp_filter_ctx f)
{
	static const uint32_t kinds[][3] = {
		{SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32},
		{SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, 0},
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (size_t k = 1; k < 3; k++)
			if (!rc && kinds[i][0] == seccomp_arch_native() &&
			    kinds[i][k])
				rc = seccomp_arch_add(f, kinds[i][k]);
	return rc;
}

static int add_calls(scmp_filter_ctx f)
{
	const uint32_t no = SCMP_ACT_ERRNO(EPERM);
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_LEN(calls); i++)
		rc = seccomp_rule_add(f, no, calls[i], 0);
	for (size_t i = 0; !rc && i < ARRAY_LEN(spaces); i++)
		rc = seccomp_rule_add(f, no, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
	for (size_t i = 0; !rc && i < ARRAY_LEN(terminal); i++)
		rc = seccomp_rule_add(f, no, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, terminal[i]));
	/* Its flags cannot be seen: who gets this takes clone instead. */
	return rc ? rc : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS),
					  SCMP_SYS(clone3), 0);
}

int sandbox_calls(struct err *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f ? add_kinds(f) : -ENOMEM;

	if (!rc)
		rc = add_calls(f);
	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, BY_TREE);
	if (!rc)		/* that is a setting of its own */
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (!rc)
		rc = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (!rc)
		return 0;
	errno = -rc;
	return err_sys(err, ERR_bad_config, "sandbox.seccomp");
}
