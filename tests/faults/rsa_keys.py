"""RSA keys that cost whoever checks their signatures, and sign like any other: of 16384 bits in a second, since their two
factors are products of small primes; and with public exponents as long as the key."""

import base64
import math
import random

BITS, PRIME_BITS, EXPONENT = 16384, 1024, 65537


def is_prime(n, rounds=8):
    """Miller and Rabin."""
    twos = (n - 1 & 1 - n).bit_length() - 1
    for _ in range(rounds):
        x = pow(random.randrange(2, n - 1), n - 1 >> twos, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(bits=PRIME_BITS):
    small = [p for p in range(3, 2000, 2) if all(p % q for q in range(3, int(p ** 0.5) + 1, 2))]
    while True:
        # The two highest bits: a product has as many bits as its factors together.
        n = random.getrandbits(bits) | 3 << bits - 2 | 1
        if all(n % p for p in small) and (n - 1) % EXPONENT and is_prime(n):
            return n


def factor(parts):
    """A product and the order that exponents have."""
    return math.prod(parts), math.lcm(*(p - 1 for p in parts))


def integer(n):
    octets = n.to_bytes(n.bit_length() // 8 + 1, "big")
    return b"\x02" + length(len(octets)) + octets


def length(n):
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([n]) if n < 128 else bytes([128 | len(octets)]) + octets


def pem(p, q, e, d, orders):
    """RFC 8017, A.1.2."""
    fields = (0, p * q, e, d, p, q, d % orders[0], d % orders[1], pow(q, -1, p))
    body = b"".join(map(integer, fields))
    text = base64.encodebytes(b"\x30" + length(len(body)) + body).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{text}-----END RSA PRIVATE KEY-----\n"


def large_key():
    primes = set()
    while len(primes) < BITS // PRIME_BITS:
        primes.add(prime())
    primes = sorted(primes)
    (p, p_order), (q, q_order) = factor(primes[::2]), factor(primes[1::2])
    return pem(p, q, EXPONENT, pow(EXPONENT, -1, math.lcm(p_order, q_order)), (p_order, q_order))


def keys_with_long_exponents(count, bits=3072):
    """Of one modulus. They sign with few multiplications: what is long for the one side is short for the other."""
    p, q = prime(bits // 2), prime(bits // 2)
    order, d = math.lcm(p - 1, q - 1), EXPONENT
    while count > 0:
        d += 2
        if math.gcd(d, order) == 1:
            count -= 1
            yield pem(p, q, pow(d, -1, order), d, (p - 1, q - 1))
