/// Everything about orders on their way: who of it is told what, which are followed, and what other platforms send. Made
/// once a gateway.
import EventLoop
import Foundation
import Logging
import Tracking

/// See the file's head. Lives on the loop's thread.
final class OrderFollowing {
    let events: OrderEvents
    let arrivals: ArrivalWatch
    let pushes: ArrivalPushes
    private unowned let gateway: Gateway
    /// Nil where nobody but viewers is told.
    let outbox: Outbox?
    /// Webhooks that bring positions, by name.
    let webhooks: [String: WebhookTranslation]

    init(gateway: Gateway, outbox: Outbox?, webhooks: [String: WebhookTranslation]) {
        let store = OrderEventStore(postgres: gateway.postgres, schema: gateway.configuration.postgresSchema)
        self.gateway = gateway
        events = OrderEvents(gateway: gateway, store: store)
        arrivals = ArrivalWatch(gateway: gateway, database: gateway.systemDatabase, store: store, events: events)
        pushes = ArrivalPushes(gateway: gateway, watch: arrivals)
        self.outbox = outbox
        self.webhooks = webhooks
        if let outbox { events.onNews = { outbox.wake() } }
    }

    /// Called once a second, with the wall clock.
    func everySecond(now: Microseconds) {
        arrivals.everySecond(now: now)
        pushes.everySecond(now: now)
    }

    /// Something happened to an order, or somebody else carries it, says the bus; perhaps this gateway said so itself.
    func heard(of subject: Subject) {
        events.heard(of: subject)
        if case .order(let order) = subject { arrivals.heard(of: order) }
    }

    /// Where the order goes was changed here.
    func changed(_ order: DriverID) {
        arrivals.heard(of: order)
        gateway.bus?.publish(.happened(.order(order)))
    }
}

extension Gateway {
    /// When orders arrive, and which drivers are near.
    var arrivals: ArrivalWatch { orders.arrivals }
}

/// The settings about events and webhooks, checked before anything starts.
struct OrderSettings {
    let targets: OutboxTargets?
    let webhooks: [String: WebhookTranslation]

    /// Throws what is wrong with them.
    init(_ configuration: Configuration) throws {
        targets = try OutboxTargets(configuration)
        webhooks = try WebhookTranslation.all(
            configuration.system, environment: ProcessInfo.processInfo.environment)
    }

    /// Who is told of orders and who sends positions, in one line.
    var summary: String {
        var parts: [String] = []
        if let webhook = targets?.webhook {
            parts.append("\(webhook.types.count) types are posted, " + (webhook.secret == nil ? "unsigned" : "signed"))
        }
        if let write = targets?.write { parts.append("written by the statement \(write.statement.name)") }
        if !webhooks.isEmpty { parts.append("taken as " + webhooks.keys.sorted().joined(separator: ", ")) }
        return parts.isEmpty ? "viewers alone are told" : parts.joined(separator: "; ")
    }

    /// The headers that senders sign with.
    var signatureHeaders: [String] { Array(Set(webhooks.values.compactMap(\.signature?.header))).sorted() }
}
