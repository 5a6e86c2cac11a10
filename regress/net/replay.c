/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * replay INTERFACE PORT MS ADDRESS TIMES: records the UDP datagrams to PORT
 * that arrive on the interface for MS milliseconds, then sends each of them
 * TIMES times to ADDRESS:PORT, whole, cut short and with another counter.
 */

#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEP	   256
#define COUNTER_AT 30 /* inside the header's counter */

static struct {
	size_t len;
	uint8_t data[2048];
} kept[KEEP];

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Keeps the payload of an IPv4 UDP frame to this port. */
static int
keep(const uint8_t *ip, size_t len, unsigned port, unsigned n)
{
	size_t hdr = (size_t)(ip[0] & 15) * 4;

	if (len < hdr + 8 || ip[9] != IPPROTO_UDP ||
	    (unsigned)(ip[hdr + 2] << 8 | ip[hdr + 3]) != port)
		return 0;
	kept[n].len = len - hdr - 8;
	if (kept[n].len > sizeof(kept[n].data))
		return 0;
	memcpy(kept[n].data, ip + hdr + 8, kept[n].len);
	return 1;
}

static unsigned
record(const char *interface, unsigned port, int64_t ms)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP) };
	int64_t end = now_ms() + ms;
	uint8_t frame[4096];
	struct pollfd pfd;
	unsigned n = 0;
	ssize_t len;

	pfd.fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	sll.sll_ifindex = (int)if_nametoindex(interface);
	if (pfd.fd == -1 || sll.sll_ifindex == 0 ||
	    bind(pfd.fd, (struct sockaddr *)&sll, sizeof(sll)) == -1)
		err(1, "%s", interface);
	pfd.events = POLLIN;
	while (n < KEEP && now_ms() < end) {
		if (poll(&pfd, 1, 10) != 1)
			continue;
		len = recv(pfd.fd, frame, sizeof(frame), 0);
		if (len >= 20)
			n += (unsigned)keep(frame, (size_t)len, port, n);
	}
	close(pfd.fd);
	return n;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	unsigned i, k, n, times;
	int fd;

	if (argc != 6)
		errx(64, "usage: replay INTERFACE PORT MS ADDRESS TIMES");
	n = record(argv[1], (unsigned)strtoul(argv[2], NULL, 10),
	    strtol(argv[3], NULL, 10));
	sin.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	times = (unsigned)strtoul(argv[5], NULL, 10);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd == -1 || inet_pton(AF_INET, argv[4], &sin.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "%s", argv[4]);
	for (k = 0; k < times; k++) {
		for (i = 0; i < n; i++) {
			(void)send(fd, kept[i].data, kept[i].len, 0);
			(void)send(fd, kept[i].data, kept[i].len / 2, 0);
			if (kept[i].len <= COUNTER_AT)
				continue;
			/* A counter far ahead is no replay, but a forgery. */
			kept[i].data[COUNTER_AT] ^= 1;
			(void)send(fd, kept[i].data, kept[i].len, 0);
			kept[i].data[COUNTER_AT] ^= 1;
		}
	}
	printf("%u datagrams replayed\n", n);
	return n == 0;
}
