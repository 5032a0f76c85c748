
/* Signs after a touch: when the file that $SK_TOUCH names exists. */
#include <stdlib.h>
#include <unistd.h>

int
sk_sign(uint32_t alg, const uint8_t *data, size_t datalen, const char *application,
    const uint8_t *key_handle, size_t key_handle_len, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_sign_response **sign_response)
{
	const char *touch = getenv("SK_TOUCH");

	while (touch != NULL && access(touch, F_OK) != 0)
		usleep(20000);
	return sk_sign_untouched(alg, data, datalen, application, key_handle, key_handle_len, flags,
	    pin, options, sign_response);
}
