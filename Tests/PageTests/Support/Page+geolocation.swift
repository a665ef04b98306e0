// Where the browser is, and whether a page may know it, as a test wants it.

import Foundation
import Testing

extension Page {
    /// Puts the device at a place.
    func move(to place: Place, accuracy: Double = 8) throws {
        try call(
            "Emulation.setGeolocationOverride",
            ["latitude": place.lat, "longitude": place.lng, "accuracy": accuracy])
    }

    /// Answers the question whether pages of this address may know where the device is.
    func setGeolocation(_ setting: String, for address: String) throws {
        try browser.call(
            "Browser.setPermission",
            [
                "permission": ["name": "geolocation"], "setting": setting, "origin": address,
                "browserContextId": context,
            ])
    }
}
