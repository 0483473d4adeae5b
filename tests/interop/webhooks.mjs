// Other implementations' word on webhooks: the senders' own libraries sign
// what we are to take, and open what we have signed. On stdin a list of
// {with, secret, body, id, at, headers}, the body as base64: where there are
// no headers it is to be signed, else checked. Prints a list, in this order:
// the headers, or "" for good and why for bad.
import { readFileSync } from 'node:fs';
import { Webhooks } from '@octokit/webhooks';
import { Webhook as Standard } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import Stripe from 'stripe';

const text = (job) => Buffer.from(job.body, 'base64').toString('utf8');

const octokit = {
	sign: async (job) => ({
		'x-hub-signature-256':
			await new Webhooks({ secret: job.secret }).sign(text(job)),
		'x-github-delivery': job.id,
	}),
	// what a receiver made with it does with a request
	check: async (job) => {
		const hooks = new Webhooks({ secret: job.secret });
		const seen = [];

		hooks.onAny((event) => { seen.push(event.id); });
		await hooks.verifyAndReceive({
			id: job.headers['x-github-delivery'],
			name: job.headers['x-github-event'],
			signature: job.headers['x-hub-signature-256'],
			payload: text(job),
		});
		if (seen[0] !== job.id)
			throw new Error(`the id is ${seen[0]}`);
	},
};

const standard = (Webhook, prefix) => ({
	sign: async (job) => ({
		[`${prefix}-id`]: job.id,
		[`${prefix}-timestamp`]: String(job.at),
		[`${prefix}-signature`]: new Webhook(job.secret).sign(
			job.id, new Date(job.at * 1000), text(job)),
	}),
	check: async (job) =>
		new Webhook(job.secret).verify(text(job), job.headers),
});

const stripe = {
	sign: async (job) => ({
		'stripe-signature': Stripe.webhooks.generateTestHeaderString({
			payload: text(job), secret: job.secret,
			timestamp: job.at,
		}),
	}),
	check: async (job) => Stripe.webhooks.constructEvent(
		text(job), job.headers['stripe-signature'], job.secret),
};

const libraries = {
	octokit, stripe,
	standardwebhooks: standard(Standard, 'webhook'),
	svix: standard(Svix, 'svix'),
};

async function answer(job) {
	const library = libraries[job.with];

	if (!job.headers)
		return library.sign(job);
	try {
		await library.check(job);
		return '';
	} catch (why) {
		return String(why.message || why);
	}
}

const jobs = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(await Promise.all(jobs.map(answer))));
