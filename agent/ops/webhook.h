/* Webhooks that come in, for the gate. Writer only. */
#pragma once
#include <jansson.h>

struct agent;
struct call;

/* Add what nobody else may be about at the same time to names. */
void webhook_names(const struct call *c, json_t *names);
/* As idem_intent: so that who comes again makes the same task. New. */
json_t *webhook_intent(const struct call *c);
/* It is answered, or refused: count that. */
void webhook_count(struct agent *a, const struct call *c);
/* The row of health; any thread. New. */
json_t *webhook_health(struct agent *a);
