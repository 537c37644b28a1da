/* Known answers: the examples of the standards. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portcullis/base/random.h"
#include "support.h"

/* ---- hashes: FIPS 180-4's examples, and the hash of the hashes of 0 to 300 octets (which
 * i * 7 + 3 gives), computed by Python's hashlib. */

enum hash { SHA_1, SHA_224, SHA_256, SHA_384, SHA_512 };
static const size_t hash_bytes[] = {20, 28, 32, 48, 64};

union any_hash {
    struct crypto_sha1 sha1;
    struct crypto_sha256 sha256;
    struct crypto_sha512 sha512;
};

static void start(enum hash h, union any_hash *s)
{
    switch (h) {
    case SHA_1:
        crypto_sha1_start(&s->sha1);
        break;
    case SHA_224:
    case SHA_256:
        crypto_sha256_start(&s->sha256, h == SHA_224);
        break;
    default:
        crypto_sha512_start(&s->sha512, h == SHA_384);
    }
}

static void update(enum hash h, union any_hash *s, const void *data, size_t size)
{
    switch (h) {
    case SHA_1:
        crypto_sha1_update(&s->sha1, data, size);
        break;
    case SHA_224:
    case SHA_256:
        crypto_sha256_update(&s->sha256, data, size);
        break;
    default:
        crypto_sha512_update(&s->sha512, data, size);
    }
}

static void finish(enum hash h, union any_hash *s, unsigned char *out)
{
    switch (h) {
    case SHA_1:
        crypto_sha1_finish(&s->sha1, out);
        break;
    case SHA_224:
    case SHA_256:
        crypto_sha256_finish(&s->sha256, out);
        break;
    default:
        crypto_sha512_finish(&s->sha512, out);
    }
}

static const struct {
    enum hash hash;
    const char *of_abc, *of_all;
} hashes[] = {
    {SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d", "43debf5006166594c976375f1c06253e43d53ddf"},
    {SHA_224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
     "f252448ce58b2e6bc5830f40096dba37ddf2d5fd4b0683f417802367"},
    {SHA_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "7d917fbd2cf49ddff9ad0a8706bba32d204e92e71d2e369c5a03d6af29278c9f"},
    {SHA_384,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c82"
     "5"
     "a7",
     "efec719c84acba157f057b3a8be4ab46d8d39b7f85dca15c051420621873dcdbf6b165d5061f55337fce615e1957e"
     "3"
     "30"},
    {SHA_512,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "b"
     "bd454d4423643ce80e2a9ac94fa54ca49f",
     "404431b1c0eac12729b20176c61b0e1c561b6b20d2ecbb7ee1126c361943d724d7c0814a8daf5c3a2a7d3e431a0aa"
     "f"
     "58c12f96d8c3370582b777fd375c3c972f"},
};

static void hash_in_pieces(enum hash h, const unsigned char *data, size_t size, size_t piece,
                           unsigned char *out)
{
    union any_hash s;
    start(h, &s);
    for (size_t at = 0; at < size; at += piece)
        update(h, &s, data + at, size - at < piece ? size - at : piece);
    finish(h, &s, out);
}

Test(hashes, are_the_standards)
{
    unsigned char data[400], out[64];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + 3);
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        enum hash h = hashes[i].hash;
        size_t bytes = hash_bytes[h];
        hash_in_pieces(h, (const unsigned char *)"abc", 3, 3, out);
        cr_expect_arr_eq(out, from_hex(hashes[i].of_abc).at, bytes);
        union any_hash all;
        start(h, &all);
        for (size_t size = 0; size <= 300; size++) {
            hash_in_pieces(h, data, size, 1 + size % 71, out);
            update(h, &all, out, bytes);
        }
        finish(h, &all, out);
        cr_expect_arr_eq(out, from_hex(hashes[i].of_all).at, bytes);
    }
}

Test(hashes, go_on_from_a_copy)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        union any_hash one, other;
        unsigned char a[64], b[64];
        start(hashes[i].hash, &one);
        update(hashes[i].hash, &one, "a", 1);
        other = one;
        update(hashes[i].hash, &other, "bc", 2);
        finish(hashes[i].hash, &other, b);
        cr_expect_arr_eq(b, from_hex(hashes[i].of_abc).at, hash_bytes[i]);
        update(hashes[i].hash, &one, "bc", 2);
        finish(hashes[i].hash, &one, a);
        cr_expect_arr_eq(a, b, hash_bytes[i]);
    }
}

/* ---- ECDSA: RFC 6979, A.2.5 to A.2.7, "sample" ----------------------------------------------- */

static const struct {
    enum crypto_curve curve;
    const char *key, *digest, *r, *s;
} signatures[] = {
    {CRYPTO_P256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
     "8151325DCDBAE9E0FF95F9F9658432DBEDFDB209",
     "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32",
     "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB"},
    {CRYPTO_P256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
     "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF",
     "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
     "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
    {CRYPTO_P256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
     "39A5E04AAFF7455D9850C605364F514C11324CE64016960D23D5DC57D3FFD8F49A739468AB8049BF18EEF820CDB1A"
     "D6C9015F838556BC7FAD4138B23FDF986C7",
     "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
     "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE"},
    {CRYPTO_P384,
     "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2E"
     "DF5",
     "8151325DCDBAE9E0FF95F9F9658432DBEDFDB209",
     "EC748D839243D6FBEF4FC5C4859A7DFFD7F3ABDDF72014540C16D73309834FA37B9BA002899F6FDA3A4A9386790D4"
     "EB2",
     "A3BCFA947BEEF4732BF247AC17F71676CB31A847B9FF0CBC9C9ED4C1A5B3FACF26F49CA031D4857570CCB5CA4424A"
     "443"},
    {CRYPTO_P384,
     "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2E"
     "DF5",
     "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF",
     "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB"
     "2CD",
     "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0"
     "AB0"},
    {CRYPTO_P384,
     "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2E"
     "DF5",
     "39A5E04AAFF7455D9850C605364F514C11324CE64016960D23D5DC57D3FFD8F49A739468AB8049BF18EEF820CDB1A"
     "D6C9015F838556BC7FAD4138B23FDF986C7",
     "ED0959D5880AB2D869AE7F6C2915C6D60F96507F9CB3E047C0046861DA4A799CFE30F35CC900056D7C99CD7882433"
     "709",
     "512C8CCEEE3890A84058CE1E22DBC2198F42323CE8ACA9135329F03C068E5112DC7CC3EF3446DEFCEB01A45C2667F"
     "DD5"},
    {CRYPTO_P521,
     "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16"
     "FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
     "8151325DCDBAE9E0FF95F9F9658432DBEDFDB209",
     "00343B6EC45728975EA5CBA6659BBB6062A5FF89EEA58BE3C80B619F322C87910FE092F7D45BB0F8EEE01ED3F20BA"
     "BEC079D202AE677B243AB40B5431D497C55D75D",
     "00E7B0E675A9B24413D448B8CC119D2BF7B2D2DF032741C096634D6D65D0DBE3D5694625FB9E8104D3B842C1B0E2D"
     "0B98BEA19341E8676AEF66AE4EBA3D5475D5D16"},
    {CRYPTO_P521,
     "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16"
     "FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
     "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF",
     "01511BB4D675114FE266FC4372B87682BAECC01D3CC62CF2303C92B3526012659D16876E25C7C1E57648F23B73564"
     "D67F61C6F14D527D54972810421E7D87589E1A7",
     "004A171143A83163D6DF460AAF61522695F207A58B95C0644D87E52AA1A347916E4F7A72930B1BC06DBE22CE3F582"
     "64AFD23704CBB63B29B931F7DE6C9D949A7ECFC"},
    {CRYPTO_P521,
     "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16"
     "FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
     "39A5E04AAFF7455D9850C605364F514C11324CE64016960D23D5DC57D3FFD8F49A739468AB8049BF18EEF820CDB1A"
     "D6C9015F838556BC7FAD4138B23FDF986C7",
     "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152"
     "B534931D7D4E8455CC91F9B15BF05EC36E377FA",
     "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF"
     "0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A"},
};

static struct octets padded(const char *hex, size_t size)
{
    static unsigned char rows[8][CRYPTO_CURVE_BYTES_MAX];
    static unsigned row;
    struct octets o = from_hex(hex);
    unsigned char *out = rows[row++ % 8];
    cr_assert_leq(o.size, size);
    memset(out, 0, size);
    memcpy(out + size - o.size, o.at, o.size);
    return (struct octets){out, size};
}

Test(ecdsa, is_the_standards)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        enum crypto_curve curve = signatures[i].curve;
        size_t bytes = crypto_curve_bytes(curve);
        struct octets key = padded(signatures[i].key, bytes), r = padded(signatures[i].r, bytes),
                      s = padded(signatures[i].s, bytes), digest = from_hex(signatures[i].digest);
        unsigned char point[CRYPTO_POINT_MAX];
        cr_assert(crypto_ec_public(curve, key.at, point));
        const unsigned char *x = point + 1, *y = x + bytes;
        cr_expect_eq(crypto_ecdsa_verify(curve, x, y, digest.at, digest.size, r.at, s.at),
                     CRYPTO_GOOD, "row %zu", i);
        unsigned char *parts[] = {(unsigned char *)digest.at, (unsigned char *)r.at,
                                  (unsigned char *)s.at};
        for (size_t part = 0; part < 3; part++) {
            parts[part][part] ^= 1;
            cr_expect_eq(crypto_ecdsa_verify(curve, x, y, digest.at, digest.size, r.at, s.at),
                         CRYPTO_BAD);
            parts[part][part] ^= 1;
        }
        point[bytes] ^= 1;
        cr_expect_eq(crypto_ecdsa_verify(curve, x, y, digest.at, digest.size, r.at, s.at),
                     CRYPTO_BAD_KEY, "not on the curve");
    }
}

Test(ecdsa, verifies_its_own_and_never_repeats_one)
{
    for (enum crypto_curve curve = CRYPTO_P256; curve <= CRYPTO_P521; curve++) {
        size_t bytes = crypto_curve_bytes(curve);
        unsigned char key[CRYPTO_CURVE_BYTES_MAX], point[CRYPTO_POINT_MAX], digest[64] = {1, 2, 3};
        unsigned char r[2][CRYPTO_CURVE_BYTES_MAX], s[2][CRYPTO_CURVE_BYTES_MAX];
        cr_assert(crypto_ec_generate(curve, key, point));
        for (int i = 0; i < 2; i++) {
            cr_assert(crypto_ecdsa_sign(curve, key, digest, 32, r[i], s[i]));
            cr_expect_eq(
                crypto_ecdsa_verify(curve, point + 1, point + 1 + bytes, digest, 32, r[i], s[i]),
                CRYPTO_GOOD);
        }
        cr_expect_arr_neq(r[0], r[1], bytes);
    }
}

Test(ecdsa, has_no_key_out_of_range)
{
    unsigned char zero[32] = {0}, ones[32], r[32], s[32], point[65];
    memset(ones, 0xff, sizeof ones);
    cr_expect_not(crypto_ecdsa_sign(CRYPTO_P256, zero, zero, 32, r, s));
    cr_expect_not(crypto_ecdsa_sign(CRYPTO_P256, ones, zero, 32, r, s));
    cr_expect_not(crypto_ec_public(CRYPTO_P256, zero, point));
    cr_expect_not(crypto_ec_public(CRYPTO_P256, ones, point));
    cr_expect_eq(crypto_ecdsa_verify(CRYPTO_P256, zero, zero, ones, 32, ones, ones),
                 CRYPTO_BAD_KEY);
}

/* ---- key agreement: RFC 5903, 8; RFC 7748, 5.2 and 6.1 --------------------------------------- */

static const struct {
    enum crypto_curve curve;
    const char *a, *point_a, *b, *point_b, *shared;
} agreements[] = {
    {CRYPTO_P256, "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
     "04DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C37725811805271A0461CDB8252D61F1C456FA"
     "3E59AB1F45B33ACCF5F58389E0577B8990BB3",
     "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
     "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C"
     "58D6AAC23F046ADA30F8353E74F33039872AB",
     "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
    {CRYPTO_P384,
     "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB"
     "194",
     "04667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95"
     "F41AA9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C63"
     "4573A81C",
     "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A744"
     "8FC",
     "04E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774"
     "A3571DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96D"
     "B9E6386C",
     "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59"
     "746"},
    {CRYPTO_P521,
     "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9"
     "777F5957B2639BAB072462F68C27A57382D4A52",
     "040015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D1"
     "07564941885942AF5A7F4601723C4195D176CED3E017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C"
     "739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F9582",
     "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A3163E"
     "4C2F869CCA7458AA4A4EFFC311F5CB151685EB9",
     "0400D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6B"
     "E64A6C2912D4EF2D0433CED2B6171640012D9460F015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C72"
     "4D9852077B87220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0FC56A",
     "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810"
     "C06B3C715A3A8CC3151F2BEE417996D19F3DDEA"},
    {CRYPTO_X25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
     "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
};

Test(agreement, is_the_standards)
{
    for (size_t i = 0; i < sizeof agreements / sizeof *agreements; i++) {
        enum crypto_curve curve = agreements[i].curve;
        size_t bytes = crypto_curve_bytes(curve), point_bytes = crypto_point_bytes(curve);
        struct octets a = from_hex(agreements[i].a), b = from_hex(agreements[i].b),
                      point_a = from_hex(agreements[i].point_a),
                      point_b = from_hex(agreements[i].point_b),
                      shared = from_hex(agreements[i].shared);
        unsigned char point[CRYPTO_POINT_MAX], out[CRYPTO_CURVE_BYTES_MAX];
        cr_assert(crypto_ec_public(curve, a.at, point));
        cr_expect_arr_eq(point, point_a.at, point_bytes);
        cr_assert(crypto_ecdh(curve, a.at, point_b.at, out));
        cr_expect_arr_eq(out, shared.at, bytes);
        cr_assert(crypto_ecdh(curve, b.at, point_a.at, out));
        cr_expect_arr_eq(out, shared.at, bytes);
    }
}

Test(agreement, repeats_as_rfc_7748_says)
{
    unsigned char k[32] = {9}, u[32] = {9}, out[32];
    for (int i = 1; i <= 1000; i++) {
        cr_assert(crypto_ecdh(CRYPTO_X25519, k, u, out));
        memcpy(u, k, 32);
        memcpy(k, out, 32);
        if (i == 1)
            cr_expect_arr_eq(
                k, from_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079").at,
                32);
    }
    cr_expect_arr_eq(
        k, from_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51").at, 32);
}

Test(agreement, refuses_points_that_give_the_secret_away)
{
    unsigned char key[CRYPTO_CURVE_BYTES_MAX], point[CRYPTO_POINT_MAX], out[66];
    /* Of a small order, RFC 7748, 6.1. */
    static const char *const low[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    cr_assert(crypto_ec_generate(CRYPTO_X25519, key, point));
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
        cr_expect_not(crypto_ecdh(CRYPTO_X25519, key, from_hex(low[i]).at, out), "%s", low[i]);
    for (enum crypto_curve curve = CRYPTO_P256; curve <= CRYPTO_P521; curve++) {
        cr_assert(crypto_ec_generate(curve, key, point));
        point[crypto_point_bytes(curve) - 1] ^= 1;
        cr_expect_not(crypto_ecdh(curve, key, point, out), "a point not on the curve");
        memset(point + 1, 0, sizeof point - 1);
        cr_expect_not(crypto_ecdh(curve, key, point, out), "0, 0");
        memset(point + 1, 0xff, sizeof point - 1);
        cr_expect_not(crypto_ecdh(curve, key, point, out), "numbers not below p");
        point[0] = 0;
        cr_expect_not(crypto_ecdh(curve, key, point, out), "the point at infinity");
    }
}

/* ---- randomness ------------------------------------------------------------------------------ */

struct drawn {
    unsigned char random[32], key[CRYPTO_CURVES][CRYPTO_CURVE_BYTES_MAX];
    unsigned char r[CRYPTO_CURVE_BYTES_MAX];
};

static void draw(struct drawn *d)
{
    static const unsigned char key[32] = {1}, digest[32] = {2};
    unsigned char point[CRYPTO_POINT_MAX], s[CRYPTO_CURVE_BYTES_MAX];
    memset(d, 0, sizeof *d);
    cr_assert(random_fill(d->random, sizeof d->random));
    for (enum crypto_curve curve = 0; curve < CRYPTO_CURVES; curve++)
        cr_assert(crypto_ec_generate(curve, d->key[curve], point));
    cr_assert(crypto_ecdsa_sign(CRYPTO_P256, key, digest, 32, d->r, s));
}

static void expect_distinct(const struct drawn *a, const struct drawn *b)
{
    cr_expect_arr_neq(a->random, b->random, 32);
    cr_expect_arr_neq(a->r, b->r, 32);
    for (enum crypto_curve curve = 0; curve < CRYPTO_CURVES; curve++)
        cr_expect_arr_neq(a->key[curve], b->key[curve], crypto_curve_bytes(curve));
}

/* A worker forked after libcrypto was used, and its brother: CVE-2026-25835 of mbedTLS. */
Test(randomness, is_no_other_process_s)
{
    enum { WORKERS = 4 };
    struct drawn *d = mmap(NULL, sizeof *d * (WORKERS + 1), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(crypto_start());
    draw(&d[WORKERS]);
    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            draw(&d[i]);
            _exit(0);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        int status;
        cr_assert(wait(&status) > 0 && status == 0);
    }
    draw(&d[WORKERS]);
    for (int i = 0; i <= WORKERS; i++)
        for (int j = 0; j < i; j++)
            expect_distinct(&d[i], &d[j]);
    munmap(d, sizeof *d * (WORKERS + 1));
}
