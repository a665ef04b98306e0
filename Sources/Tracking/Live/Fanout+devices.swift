/// What the driver's devices do beside sending pings that are good: the reason why it is not fresher.

extension Fanout {
    /// A device of the driver has connected.
    public mutating func deviceConnected(_ driver: DriverIndex) {
        change(driver) { $0.connections += 1 }
    }

    /// A device's connection has ended, with or without a goodbye.
    public mutating func deviceDisconnected(_ driver: DriverIndex, saidGoodbye: Bool, now: Microseconds) {
        change(driver) { device in
            device.connections -= 1
            device.lastEnd = saidGoodbye ? .closed : .dropped
            device.endedAt = now
        }
    }

    /// A ping of the driver was refused for `trouble`.
    public mutating func refused(_ driver: DriverIndex, _ trouble: Trouble, now: Microseconds) {
        let isNew = now - drivers[driver].device.troubledAt >= limits.stale
        let wasOther = (drivers[driver].device.trouble == .lowAccuracy) != (trouble == .lowAccuracy)
        drivers[driver].device.trouble = trouble
        drivers[driver].device.troubledAt = now
        noteDeviceChange(of: driver)
        if isNew || wasOther, drivers[driver].presence != .live { tellStatus(of: driver) }
    }

    /// What changes a driver's reason is told where the reason is part of the status.
    private mutating func change(_ driver: DriverIndex, _ body: (inout DeviceState) -> Void) {
        body(&drivers[driver].device)
        noteDeviceChange(of: driver)
        if drivers[driver].presence != .live { tellStatus(of: driver) }
    }

    // MARK: Other gateways

    /// What is known here of the driver's devices.
    public func device(of driver: DriverIndex) -> DeviceState { drivers[driver].device }

    /// Whether devices did something since `takeDeviceChanges` was called.
    public var hasDeviceChanges: Bool { !deviceChanges.isEmpty }

    /// The drivers whose devices did something since the last call, each once.
    public mutating func takeDeviceChanges() -> [DriverIndex] {
        for driver in deviceChanges { drivers[driver].isDeviceChanged = false }
        defer { deviceChanges.removeAll(keepingCapacity: true) }
        return deviceChanges
    }

    private mutating func noteDeviceChange(of driver: DriverIndex) {
        guard !drivers[driver].isDeviceChanged else { return }
        drivers[driver].isDeviceChanged = true
        deviceChanges.append(driver)
    }

    /// What other gateways know of the driver's devices; nil where they know nothing.
    public mutating func learn(_ elsewhere: DeviceState?, of driver: DriverIndex, now: Microseconds) {
        let before = reason(of: driver, now: now)
        devicesElsewhere[driver] = elsewhere
        if drivers[driver].presence != .live, reason(of: driver, now: now) != before { tellStatus(of: driver) }
    }

    /// What is known of the driver's devices altogether.
    func knownDevice(of driver: DriverIndex) -> DeviceState {
        guard !devicesElsewhere.isEmpty, let elsewhere = devicesElsewhere[driver] else { return drivers[driver].device }
        return drivers[driver].device.joined(with: elsewhere)
    }

    private func reason(of driver: DriverIndex, now: Microseconds) -> String {
        knownDevice(of: driver).reason(
            drivers[driver].presence, heardAt: drivers[driver].position?.receivedAt ?? .min, now: now, limits: limits)
    }
}
