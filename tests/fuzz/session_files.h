/* Certificates of fuzz_session.c, until 2126: a CA with a server's and a client's, and a client's
 * by another CA. Their keys guard nothing. */
#ifndef TESTS_FUZZ_SESSION_FILES_H
#define TESTS_FUZZ_SESSION_FILES_H

static const char file_ca_crt[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBSzCB86ADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAmNhMCAXDTI2\n"
    "MTEzMDIwMDgyOFoYDzIxMjYxMTA2MjAwODI4WjANMQswCQYDVQQDDAJjYTBZMBMG\n"
    "ByqGSM49AgEGCCqGSM49AwEHA0IABObFBHtbHk01WD3YHnEFYXLfo/hSrcpbnrs8\n"
    "xLTOMymjynpfnWcym4hCqep+3tEaz8ZBQCV/kXMXOfqJNdgoJUejQjBAMA8GA1Ud\n"
    "EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBSTE/FK1/BrW7+c\n"
    "5JO9JevBDPcv9TAKBggqhkjOPQQDAgNHADBEAiAKJTmuLR7SMwf3lg6Y0y43oONM\n"
    "HUYWboY71xDSS8b0gwIgfvCseKZ+efCm28lJeeA/KwTu2XYOOOB294gWMZrQpI8=\n"
    "-----END CERTIFICATE-----\n";
static const char file_server_crt[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBjDCCATKgAwIBAgIBAjAKBggqhkjOPQQDAjANMQswCQYDVQQDDAJjYTAgFw0y\n"
    "NjExMzAyMDA4MjhaGA8yMTI2MTEwNjIwMDgyOFowETEPMA0GA1UEAwwGc2VydmVy\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG302vNTZCDXA+fcu4/Y++ys9dvcu\n"
    "rBKi2eGzXTZbQfm1fAnpw/hz8l3Ue3fKSFxB7VPWPHmzULxkTQouST/ss6N9MHsw\n"
    "CQYDVR0TBAIwADALBgNVHQ8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwEwDAYD\n"
    "VR0RBAUwA4IBYTAdBgNVHQ4EFgQUpJjlCkZxPcJCKIjtIA19dJtPwvEwHwYDVR0j\n"
    "BBgwFoAUkxPxStfwa1u/nOSTvSXrwQz3L/UwCgYIKoZIzj0EAwIDSAAwRQIhAJ5i\n"
    "j4xqu/8ejuTmvfMCrBVFwBevYBkPYL8WiVTEL0ZDAiAFpD7uYpRc6mU48lxYAJ8R\n"
    "JqLBepwu02P33I0vxHGgLg==\n"
    "-----END CERTIFICATE-----\n";
static const char file_server_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgI4bD26YWf3Uh60f7\n"
    "a3HU8odPu4MNTNIeZUapNFLBVjmhRANCAAQbfTa81NkINcD59y7j9j77Kz129y6s\n"
    "EqLZ4bNdNltB+bV8CenD+HPyXdR7d8pIXEHtU9Y8ebNQvGRNCi5JP+yz\n"
    "-----END PRIVATE KEY-----\n";
static const char file_client_crt[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBfzCCASSgAwIBAgIBAzAKBggqhkjOPQQDAjANMQswCQYDVQQDDAJjYTAgFw0y\n"
    "NjExMzAyMDA4MjlaGA8yMTI2MTEwNjIwMDgyOVowETEPMA0GA1UEAwwGY2xpZW50\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESogJTzjkGddCHGksbfWiDAoPNrbW\n"
    "4fNJBehmOMSCLh6TTOpyhbFBp87fz1GuaBj+rOGlbpp9zSrc1dto2XIkg6NvMG0w\n"
    "CQYDVR0TBAIwADALBgNVHQ8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYD\n"
    "VR0OBBYEFO79x/nREU4+qXt59620A972y4TiMB8GA1UdIwQYMBaAFJMT8UrX8Gtb\n"
    "v5zkk70l68EM9y/1MAoGCCqGSM49BAMCA0kAMEYCIQC6Dl59ngcYJRgtn2vBIoFt\n"
    "IWCDwmRQYqLrPsSF3d7i8AIhALjo99N9I1zXJFhvglvmQv39wv2F05MAbxUo6khp\n"
    "8xRQ\n"
    "-----END CERTIFICATE-----\n";
static const char file_client_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj1ipeBFcGtpkTWw/\n"
    "PCoDzwiOBRzPTrbTTc682pp902qhRANCAARKiAlPOOQZ10IcaSxt9aIMCg82ttbh\n"
    "80kF6GY4xIIuHpNM6nKFsUGnzt/PUa5oGP6s4aVumn3NKtzV22jZciSD\n"
    "-----END PRIVATE KEY-----\n";
static const char file_stranger_crt[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBgDCCASegAwIBAgIBAzAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAVvdGhlcjAg\n"
    "Fw0yNjExMzAyMDA4MjlaGA8yMTI2MTEwNjIwMDgyOVowETEPMA0GA1UEAwwGY2xp\n"
    "ZW50MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEP0OTYJTLAFBD1qoqlbXDh+LC\n"
    "NQw29ccVuE49ddV3Z1KuWwct+AjKemWFixcZKNSz0CIx8VuWFm/ZkT3Ff89VfKNv\n"
    "MG0wCQYDVR0TBAIwADALBgNVHQ8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwIw\n"
    "HQYDVR0OBBYEFCPxkA5a7MaimiGXH2p2rDLEjaU/MB8GA1UdIwQYMBaAFJ/8uHwD\n"
    "4r8exh8zunVkVmQRG5uUMAoGCCqGSM49BAMCA0cAMEQCIAzJVEswSnKwLTJTP+hr\n"
    "jnMtPsgGVnTgjjSe/A4xM4KCAiBz7tcbnTdcNB6x4LM7MCWyFEg8f1CKubIe6JFM\n"
    "OliAlA==\n"
    "-----END CERTIFICATE-----\n";
static const char file_stranger_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgADAxbKKsi95XbH7P\n"
    "ZPkUP/N/Bc+wu0ZCw7lntEVOy0ChRANCAAQ/Q5NglMsAUEPWqiqVtcOH4sI1DDb1\n"
    "xxW4Tj111XdnUq5bBy34CMp6ZYWLFxko1LPQIjHxW5YWb9mRPcV/z1V8\n"
    "-----END PRIVATE KEY-----\n";
static const char file_rsa_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCTASyZfXXXN+me\n"
    "UsHIcwjL95FTDChZV4Ojd5ZGwAOz5+tDITmSbKfYLmMD6O8nktQv4wkiq54MF92P\n"
    "zkpxCW/kyTHYMhJVsnhhYL041bydZRZ1OUMh4yVXwRK6MIQlTx6eEm9vhJAimjmf\n"
    "CXiyIw4hLVlCrM5LB7OKptpK6gdhSg5H2yrEqoGCZWUsyyRNz2lUGkTx4jvqKqrI\n"
    "5Cma6Ty/SzV5z4g6/pVlCE0/qmGrYZ9HvLly0FDWiTMoINIyDu4Oxusd9Kt0LQEc\n"
    "0/7qa/luoMtF8b5D2EzGZ75lvQGfYj3i+2mAPtiAeB5t6fqhhI6ZDNJHxLK6DCdA\n"
    "HzKDRlSlAgMBAAECggEANivkGgnUH4OgqPG5LFtLvhIUcQSVZ9rqjRYYAClpE+Ze\n"
    "WUYIl69HqM/rN/kiDDS80Yq6Bpc0biNrR7+OyhnerHIB1rgY7pCOcN/7ytJkp6Gl\n"
    "RXxdA0NXsv9YndkcET2XPEvx2agBj2bC3hrY6dgmME6sSngwqxCC9pCm951HK+/V\n"
    "1OehFevvGSicKXMVOLvXhMAzJ7BUGMYrytIfDMcW0JEb9nkwL1bI7A/boh9qd5pY\n"
    "SxUzXRLQXJmxoe70RtgLrYUZB45S6WjCaMyVB3lBX0bxbe5MnOwvMW1vnrZbUCW+\n"
    "/cFD9UINySBxjUN60RFEg98IMvJLci8WMhdRWm8Q/wKBgQDFdavFq4mAj49x2CcZ\n"
    "rYDJYUPF7OR35u44K3py+CzjLARQXDNt3opHRLAveveCvIQtkJzgX3LhYov5ccdd\n"
    "K1JN7YfvSHGKYvPDXseuD+1OozQwlY7iNk6Be0p7uaB3ixOJkgzYGGSwx7mxRuM9\n"
    "ouVtNg9a+QyoQbjJaXI9YdMkdwKBgQC+li7i3nIvYbo7n5Iq8rkUcvRun0b7xhzQ\n"
    "51mnzp0gRNzgd3M7dGUqU2hdQ4N8rKMR7WyJHurVAPywCnoaf1u6mQ1DU05o0Ull\n"
    "1kUHWInnropo6W2+2jARSmW9H8qpx3dL3J+0oT8uCvIoosne/+HTcoDDvYyfpu8y\n"
    "LKtnu2RiwwKBgCnZkLhqbNAknSBh0ZetoDgON1EBrkKDXUXmYSNw2gKj1544jGXi\n"
    "3qfQNQ87Hq5EyjbmCXm8gRqnykbqCHkEr4L4rvDWB8puwn9L3UJU+dTK3krVx9zF\n"
    "6cmjmduzMgFkJpXnsHU0ZlLZYc/i2FK97aZB6Os9EaOvmjyF7sJ3s0ptAoGAdHB9\n"
    "JM6TJK+ogFT1kJfKy9uPyyY00A4x/M/bztJE3To1WE6icGikhj9/O7vL0ZgH6SQN\n"
    "c5kYEBsSRtufziCRgmeP2tpCxXdYSIeolNxbJNlWZtJ24mubgnTZw7pwr1nWYNri\n"
    "GBGL8C1v1bPfcgcTiYQjd3OPPttWuGjiL/YlVtECgYApVE2lYHQFmcBginW6u2XA\n"
    "48PFcD1Dott1v72oGC40/avVr0+nWZlvu92wdpXPKOQKyaS7W8TVnLuxAom0GHHc\n"
    "oj4JnKsp+c0L7Kb7WM9NJ8BREfNwBV4hTHTAClYFSF3VxBBgzGoLviQVju4d1zZa\n"
    "L0iciL9VXtdGhSo7wSgVuQ==\n"
    "-----END PRIVATE KEY-----\n";

#endif
