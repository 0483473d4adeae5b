/* The script that verifies an archive: the bytes of the file beside this. */
#include "agent/ops/evidence_archive.h"

__asm__(".section .rodata\n"
	".global archive_script\n"
	".global archive_script_end\n"
	"archive_script:\n"
	".incbin \"agent/ops/evidence_verify.sh\"\n"
	"archive_script_end:\n"
	".byte 0\n"
	".text\n");
