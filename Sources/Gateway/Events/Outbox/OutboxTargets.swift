/// Who is told of events, and in which words: the settings `webhook.…` and `system.writes.events`, read once.
import Foundation
import Tracking

/// Checked settings.
struct OutboxTargets: Sendable {
    /// A webhook's receiver.
    struct Webhook: Sendable {
        let url: String
        /// The key that signs; nil: nothing is signed.
        let secret: [UInt8]?
        /// Types that are posted.
        let types: [String]
        let fields: FieldLayout
        let timeoutMilliseconds: Int
    }

    /// The platform's statement.
    struct Write: Sendable {
        let statement: NamedStatement
        let row: FieldLayout
        /// Empty where the platform's tables are in the database of Drover's own: then an event is marked as written in the
        /// transaction that writes it.
        let postgresURL: String
        let searchPath: String
    }

    /// What a row holds where the configuration does not say it.
    static let row = """
        id, type, status, order_id=order, driver_id=driver, user_id=user, at=at:iso, lat, lng, speed, heading, accuracy, \
        recorded_at=recorded_at:iso, eta=eta:iso, confidence, distance_m=distance
        """

    let webhook: Webhook?
    let write: Write?
    /// The platform's words for types.
    let statuses: [String: String]

    /// Nil where there is nobody to tell.
    init?(_ configuration: Configuration) throws {
        statuses = try Self.statuses(configuration.webhookStatuses)
        webhook = try configuration.webhookURL.isEmpty ? nil : Self.webhook(configuration)
        write = try configuration.system.writes[.events].map { try Self.write($0, configuration) }
        if webhook == nil && write == nil { return nil }
    }

    /// The platform's word for a type.
    func status(_ type: String) -> String { statuses[type] ?? type }

    private static func webhook(_ configuration: Configuration) throws -> Webhook {
        let url = configuration.webhookURL
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw ConfigurationError(description: "webhook.url begins with http:// or https://")
        }
        var types: [String] = []
        for type in configuration.webhookEvents.split(separator: ",").map(trimmed) {
            guard OrderEvent.types.contains(type) else {
                throw ConfigurationError(
                    description:
                        "webhook.events: there is no \(type). There are \(OrderEvent.types.joined(separator: ", "))")
            }
            types.append(type)
        }
        return Webhook(
            url: url, secret: try secret(configuration.webhookSecret), types: types.isEmpty ? OrderEvent.types : types,
            fields: try layout(configuration.webhookFields, "webhook.fields"),
            timeoutMilliseconds: configuration.webhookTimeoutSeconds * 1_000)
    }

    private static func write(_ write: SystemWrite, _ configuration: Configuration) throws -> Write {
        guard let statement = configuration.system.statements[write.statement] else {
            throw ConfigurationError(
                description: "system.writes.events.statement: no statement is called \(write.statement)")
        }
        return Write(
            statement: statement,
            row: try layout(write.row.isEmpty ? row : write.row, "system.writes.events.row"),
            postgresURL: configuration.system.postgresURL, searchPath: configuration.system.searchPath)
    }

    private static func layout(_ text: String, _ setting: String) throws -> FieldLayout {
        do {
            return try FieldLayout(text, for: .event)
        } catch {
            throw ConfigurationError(description: "\(setting): \(error)")
        }
    }

    /// A secret of Standard Webhooks' form is `whsec_` and the key in Base64; any other is taken as it is.
    private static func secret(_ text: String) throws -> [UInt8]? {
        if text.isEmpty { return nil }
        guard text.hasPrefix("whsec_") else { return Array(text.utf8) }
        guard let key = Data(base64Encoded: String(text.dropFirst(6))), !key.isEmpty else {
            throw ConfigurationError(
                description: "webhook.secret is whsec_ and a key in Base64, or any text without whsec_")
        }
        return Array(key)
    }

    /// `departed=in_transit, arrived=delivered`.
    static func statuses(_ text: String) throws -> [String: String] {
        var statuses: [String: String] = [:]
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false).map(trimmed)
            guard parts.count == 2, OrderEvent.types.contains(parts[0]), !parts[1].isEmpty else {
                throw ConfigurationError(
                    description:
                        "webhook.statuses holds pairs such as departed=in_transit, of \(OrderEvent.types.joined(separator: ", "))"
                )
            }
            statuses[parts[0]] = parts[1]
        }
        return statuses
    }

    private static func trimmed(_ text: Substring) -> String {
        text.trimmingCharacters(in: .whitespaces)
    }
}
