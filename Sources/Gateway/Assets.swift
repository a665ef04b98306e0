/// What browsers load: the pages (embedded), Leaflet (from Debian's package), the API descriptions (embedded).
import Foundation
import Tracking
import WebServer

/// The files behind fixed addresses, read once at start.
struct Assets {
    private struct Asset {
        let type: String
        let body: [UInt8]
        let tag: String

        init(_ type: String, _ body: [UInt8]) {
            self.type = type
            self.body = body
            tag = EntityTag.of(body)
        }
    }

    private var assets: [String: Asset] = [:]
    private let contentSecurityPolicy: String
    /// Why maps cannot be drawn; nil where everything is there.
    private(set) var problem: String?

    init(_ configuration: Configuration) {
        contentSecurityPolicy = Self.contentSecurityPolicy(tiles: configuration.mapTileURL)
        let html = "text/html; charset=utf-8"
        let script = "text/javascript; charset=utf-8"
        let style = "text/css; charset=utf-8"
        let yaml = "application/yaml"
        assets["/map"] = Asset(html, PackageResources.map_html)
        assets["/fleet"] = Asset(html, PackageResources.fleet_html)
        assets["/driver"] = Asset(html, PackageResources.driver_html)
        assets["/enroll"] = Asset(html, PackageResources.enroll_html)
        assets["/drover.js"] = Asset(script, Self.clientModule())
        assets["/drover.d.ts"] = Asset("application/typescript; charset=utf-8", PackageResources.drover_d_ts)
        for (name, body) in [
            ("clock", PackageResources.clock_js), ("day", PackageResources.day_js),
            ("driver", PackageResources.driver_js), ("driver-fixes", PackageResources.driver_fixes_js),
            ("driver-link", PackageResources.driver_link_js), ("driver-queue", PackageResources.driver_queue_js),
            ("driver-words", PackageResources.driver_words_js), ("enroll", PackageResources.enroll_js),
            ("fleet", PackageResources.fleet_js), ("fleet-area", PackageResources.fleet_area_js),
            ("fleet-clusters", PackageResources.fleet_clusters_js), ("fleet-detail", PackageResources.fleet_detail_js),
            ("fleet-drivers", PackageResources.fleet_drivers_js), ("fleet-filter", PackageResources.fleet_filter_js),
            ("fleet-layer", PackageResources.fleet_layer_js), ("fleet-list", PackageResources.fleet_list_js),
            ("fleet-paint", PackageResources.fleet_paint_js), ("fleet-signs", PackageResources.fleet_signs_js),
            ("fleet-watch", PackageResources.fleet_watch_js), ("forecast", PackageResources.forecast_js),
            ("goals", PackageResources.goals_js), ("ground", PackageResources.ground_js),
            ("headline", PackageResources.headline_js), ("map", PackageResources.map_js),
            ("markers", PackageResources.markers_js), ("page", PackageResources.page_js),
            ("past", PackageResources.past_js), ("player", PackageResources.player_js),
            ("rows", PackageResources.rows_js), ("timing", PackageResources.timing_js),
            ("trace", PackageResources.trace_js), ("track", PackageResources.track_js),
            ("trails", PackageResources.trails_js), ("words", PackageResources.words_js),
        ] {
            assets["/assets/\(name).js"] = Asset(script, body)
        }
        assets["/assets/pages.css"] = Asset(style, PackageResources.pages_css)
        assets["/assets/customer.css"] = Asset(style, PackageResources.customer_css)
        assets["/assets/fleet.css"] = Asset(style, PackageResources.fleet_css)
        assets["/assets/day.css"] = Asset(style, PackageResources.day_css)
        assets["/assets/driver.css"] = Asset(style, PackageResources.driver_css)
        assets["/assets/enroll.css"] = Asset(style, PackageResources.enroll_css)
        assets["/openapi.yaml"] = Asset(yaml, PackageResources.openapi_yaml)
        assets["/asyncapi.yaml"] = Asset(yaml, PackageResources.asyncapi_yaml)
        assets["/assets/settings.json"] = Asset("application/json", Self.settings(configuration))
        loadLeaflet(configuration.mapLeafletDirectory, script, style)
    }

    /// The answer for an address that is an asset's; nil for others.
    func response(to request: WebRequest) -> WebResponse? {
        if request.path == "/" { return WebResponse(status: 302, headers: [("Location", "/fleet")]) }
        guard let asset = assets[request.path] else { return nil }
        var headers = [
            ("ETag", asset.tag), ("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"), ("Content-Security-Policy", contentSecurityPolicy),
        ]
        if request.path == "/driver" {
            // What the page needs of the device, and nothing else of what pages like to ask for.
            headers.append(
                ("Permissions-Policy", "geolocation=(self), screen-wake-lock=(self), camera=(), microphone=()"))
        }
        if EntityTag.isKnown(asset.tag, to: request) { return WebResponse(status: 304, headers: headers) }
        return WebResponse(type: asset.type, body: asset.body, headers: headers)
    }

    private mutating func loadLeaflet(_ directory: String, _ script: String, _ style: String) {
        for (address, file, type) in [
            ("leaflet.js", "leaflet.min.js", script), ("leaflet.css", "leaflet.css", style),
            ("images/layers.png", "images/layers.png", "image/png"),
            ("images/layers-2x.png", "images/layers-2x.png", "image/png"),
            ("images/marker-icon.png", "images/marker-icon.png", "image/png"),
        ] {
            guard let data = FileManager.default.contents(atPath: "\(directory)/\(file)") else {
                if type == script {
                    problem =
                        "cannot read \(directory)/\(file). Install libjs-leaflet or set DROVER_MAP_LEAFLET_DIRECTORY"
                }
                continue
            }
            assets["/assets/leaflet/\(address)"] = Asset(type, Array(data))
        }
    }

    /// `/drover.js` in one piece, so that a page elsewhere needs no more than a copy of it. Exports `DroverClient` and
    /// `Glide`.
    private static func clientModule() -> [UInt8] {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let client = text(PackageResources.drover_js).split(separator: "\n", omittingEmptySubsequences: false)
        let whole = client.filter { !$0.hasPrefix("import ") }.joined(separator: "\n")
        let parts = [PackageResources.seen_js, PackageResources.timing_js].map {
            text($0).replacingOccurrences(of: "\nexport ", with: "\n")
        }
        return Array(([whole] + parts + [text(PackageResources.glide_js)]).joined(separator: "\n").utf8)
    }

    private static func settings(_ configuration: Configuration) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw("{\"tile_url\":")
        if configuration.mapTileURL.isEmpty { writer.raw("null") } else { writer.string(configuration.mapTileURL) }
        writer.raw(",\"tile_attribution\":")
        writer.string(configuration.mapTileAttribution)
        writer.raw(",\"stale_s\":\(configuration.liveStaleSeconds),\"offline_s\":\(configuration.liveOfflineSeconds)")
        writer.raw(",\"track_gap_s\":\(configuration.historyTrackGapSeconds)")
        let words = configuration.system.words
        for (index, (name, word)) in [("driver", words.driver), ("order", words.order), ("group", words.group)]
            .enumerated()
        {
            writer.raw(index == 0 ? ",\"words\":{\"" : ",\"")
            writer.raw("\(name)\":{\"one\":")
            writer.string(word.one)
            writer.raw(",\"many\":")
            writer.string(word.many)
            writer.raw("}")
        }
        writer.raw("},\"center\":[43.6532,-79.3832],\"zoom\":12}")
        return writer.bytes
    }

    /// Scripts and styles from here only; pictures also from the tile server.
    private static func contentSecurityPolicy(tiles: String) -> String {
        var pictures = "'self' data:"
        if let scheme = tiles.range(of: "://"), let end = tiles[scheme.upperBound...].firstIndex(of: "/") {
            // `{s}` stands for a subdomain that Leaflet picks.
            pictures += " " + tiles[..<end].replacingOccurrences(of: "{s}", with: "*")
        }
        return
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src \(pictures); connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }
}
