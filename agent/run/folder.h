/* A run's folder: DIR/in for what it is given, DIR/out for what it leaves. */
#pragma once

struct err;
struct run;

int folder_make(struct run *r, struct err *err);	/* ERR_io */
void folder_remove(struct run *r);
/* Remove the folders of runs below work_dir that a crash left behind. */
void folder_sweep(const char *work_dir);
