/// `GET /mds/vehicles/status`: vehicles as the Mobility Data Specification 2.0 has them (provider/README.md, "Vehicle
/// Status"), which cities read.
import Foundation
import Tracking
import WebServer

/// The routes.
struct VehicleStatusFeed {
    private static let mediaType = "application/vnd.mds+json;version=2.0"
    private static let usualListed = 1_000
    private static let maximumListed = 10_000

    private let call: RouteCall
    private let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        (self.call, self.credential) = (call, credential)
    }

    /// GET of all, in pages in the order of their `device_id`: making thousands of UUIDs takes the loop milliseconds.
    func list() {
        guard let provider = provider() else { return }
        let limit = call.request.query("limit").map { Int($0) } ?? Self.usualListed
        guard let limit, (1...Self.maximumListed).contains(limit) else {
            return call.respond(
                Problem.response(400, "bad_request", "limit is a number from 1 to \(Self.maximumListed)"))
        }
        let after = call.request.query("after")?.lowercased() ?? ""
        FleetSnapshot.take(call, credential) { fleet in
            let all = Self.vehicles(fleet, of: provider)
            let page = all.drop { $0.device <= after }.prefix(limit)
            let isLast = page.endIndex == all.endIndex
            respond(fleet, provider, page, isLast: isLast) { writer in
                writer.raw(",\"links\":{\"first\":")
                writer.string(address(after: nil))
                writer.raw(",\"next\":")
                if isLast { writer.raw("null") } else { writer.string(address(after: page.last?.device)) }
                writer.raw("}")
            }
        }
    }

    /// GET of one.
    func look() {
        guard let provider = provider() else { return }
        let device = call.parameters[0].lowercased()
        FleetSnapshot.take(call, credential) { fleet in
            let found = Self.vehicles(fleet, of: provider).filter { $0.device == device }
            guard !found.isEmpty else {
                return call.respond(Problem.response(404, "not_found", "no vehicle with this device_id is known"))
            }
            respond(fleet, provider, found[...], isLast: true) { _ in }
        }
    }

    // MARK: What is asked

    /// The operator; nil where the request is answered already: there are no such feeds, or not of the version asked for.
    private func provider() -> UUID? {
        guard let provider = UUID(uuidString: call.gateway.configuration.mdsProviderID) else {
            call.respond(
                Problem.response(
                    404, "not_found",
                    "no MDS feed is served here; set mds.provider_id to the operator's UUID to have one"))
            return nil
        }
        guard Self.accepts(call.request.headers["accept"]) else {
            call.respond(
                Problem.response(
                    406, "not_acceptable", "MDS 2.0 is served here; ask for \(Self.mediaType)"))
            return nil
        }
        return provider
    }

    /// Whether one of the media ranges is met: MDS's own type is, in version 2.0 (general-information.md, "Versioning").
    private static func accepts(_ header: String?) -> Bool {
        guard let header else { return true }
        return header.lowercased().split(separator: ",").contains { range in
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\"" } }
            guard !parts.contains("q=0") else { return false }
            switch parts.first {
            case "*/*", "application/*", "application/json": return true
            case "application/vnd.mds+json":
                let version = parts.first { $0.hasPrefix("version=") }
                return version == nil || version == "version=2.0"
            default: return false
            }
        }
    }

    // MARK: What is answered

    private struct Vehicle {
        /// The UUID.
        let device: String
        let position: Position
    }

    /// A driver's id that is a UUID is the device's; from others one is made, in the operator's namespace.
    private static func vehicles(_ fleet: FleetSnapshot, of provider: UUID) -> [Vehicle] {
        fleet.drivers.map { driver in
            let id = driver.id.string
            let own = UUID(uuidString: id)?.uuidString.lowercased()
            return Vehicle(device: own ?? NameUUID.text(id, in: provider), position: driver.position)
        }.sorted { $0.device < $1.device }
    }

    /// Without the credential, wherever the request had it.
    private func address(after device: String?) -> String {
        var parts: [String] = []
        if let limit = call.request.query("limit") { parts.append("limit=\(DeviceSetUp.escaped(limit))") }
        if let device { parts.append("after=\(device)") }
        let base = PublicAddress(call.gateway.configuration, call.request).text + "/mds/vehicles/status"
        return parts.isEmpty ? base : base + "?" + parts.joined(separator: "&")
    }

    private func respond(
        _ fleet: FleetSnapshot, _ provider: UUID, _ vehicles: ArraySlice<Vehicle>, isLast: Bool,
        _ appendMore: (inout JSONWriter) -> Void
    ) {
        let offline = call.gateway.configuration.presenceLimits.offline
        let changedAt = fleet.lastChange(ages: [offline])
        let providerID = provider.uuidString.lowercased()
        var writer = JSONWriter()
        writer.raw("{\"version\":\"\(VehicleStatus.version)\",\"last_updated\":")
        writer.integer(changedAt / 1_000)
        let head = writer.bytes.count
        // Milliseconds; 0 says that it should always be asked for anew.
        writer.raw(",\"ttl\":0,\"vehicles_status\":[")
        for (index, vehicle) in vehicles.enumerated() {
            writer.raw(index == 0 ? "\n" : ",\n")
            let recordedAt = vehicle.position.recordedAt
            let lostAt = fleet.now - recordedAt >= offline ? recordedAt + offline : nil
            let identity = VehicleStatus.Identity(
                provider: providerID, device: vehicle.device,
                event: NameUUID.text("event \(vehicle.device) \(lostAt ?? recordedAt)", in: provider),
                telemetry: NameUUID.text("telemetry \(vehicle.device) \(recordedAt)", in: provider))
            VehicleStatus.append(identity, vehicle.position, lostAt: lostAt, to: &writer)
        }
        writer.raw("\n]")
        // Another gateway has heard of the same at another time, and may have another address: the tag, which is weak, is of
        // the vehicles alone, and of whether more follow.
        let tag = "W/" + EntityTag.of(Array(writer.bytes[head...]) + [isLast ? 0 : 1])
        appendMore(&writer)
        writer.raw("}\n")
        FeedReply(type: Self.mediaType, body: writer.bytes, tag: tag, changedAt: changedAt).send(call, now: fleet.now)
    }
}
