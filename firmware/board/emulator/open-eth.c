/*
 * The Ethernet of Espressif's QEMU (OpenCores' MAC) as ESP-IDF drives it: for the module `chainmote/emulator/open-eth`.
 *
 * Promises: one interface, started once, with DHCP. Never: a part of an image for a board; ESP-IDF's driver refuses to start on a chip.
 */
#include "xsmc.h"

#include "esp_err.h"
#include "esp_eth.h"
#include "esp_eth_driver.h"
#include "esp_eth_netif_glue.h"
#include "esp_eth_phy.h"
#include "esp_event.h"
#include "esp_netif.h"
#include "sdkconfig.h"

#if !CONFIG_ETH_USE_OPENETH
	#error "the emulator's Ethernet needs CONFIG_ETH_USE_OPENETH"
#endif

enum { NEGOTIATION_MS_MAX = 100, ADDRESS_BYTES = 16 };

static esp_netif_t* interface;

static esp_err_t startInterface(void)
{
	esp_err_t error = esp_netif_init();
	if (error != ESP_OK)
		return error;
	error = esp_event_loop_create_default();
	if (error != ESP_OK && error != ESP_ERR_INVALID_STATE)
		return error;

	esp_netif_config_t config = ESP_NETIF_DEFAULT_ETH();
	eth_mac_config_t macConfig = ETH_MAC_DEFAULT_CONFIG();
	eth_phy_config_t phyConfig = ETH_PHY_DEFAULT_CONFIG();
	phyConfig.autonego_timeout_ms = NEGOTIATION_MS_MAX;
	esp_eth_config_t ethernet = ETH_DEFAULT_CONFIG(esp_eth_mac_new_openeth(&macConfig), esp_eth_phy_new_generic(&phyConfig));
	esp_eth_handle_t driver = NULL;
	error = esp_eth_driver_install(&ethernet, &driver);
	if (error != ESP_OK)
		return error;
	interface = esp_netif_new(&config);
	error = esp_netif_attach(interface, esp_eth_new_netif_glue(driver));
	return error == ESP_OK ? esp_eth_start(driver) : error;
}

void xs_chainmote_open_eth_start(xsMachine *the)
{
	if (interface == NULL && startInterface() != ESP_OK)
		xsUnknownError("the emulator's Ethernet does not start");
}

void xs_chainmote_open_eth_address(xsMachine *the)
{
	esp_netif_ip_info_t info;
	char text[ADDRESS_BYTES];

	if (interface == NULL || esp_netif_get_ip_info(interface, &info) != ESP_OK || info.ip.addr == 0)
		return;
	esp_ip4addr_ntoa(&info.ip, text, sizeof text);
	xsmcSetString(xsResult, text);
}
