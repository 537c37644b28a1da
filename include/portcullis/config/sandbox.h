/* What the directive `sandbox` says. */
#ifndef PORTCULLIS_CONFIG_SANDBOX_H
#define PORTCULLIS_CONFIG_SANDBOX_H

enum sandbox_mode {
    SANDBOX_ON,
    SANDBOX_REPORT, /* the kernel's log tells what would have been refused */
    SANDBOX_OFF,
};

#endif
