/// Which jobs there are. To add one, write it in a file of its own and name it here.

extension MaintenanceJob {
    /// The jobs of a gateway with this configuration, in the order in which they run where several are due.
    static func all(_ configuration: Configuration) -> [MaintenanceJob] {
        // Where nothing of the history is kept, nothing is made; what is there from before is left alone.
        let history: [MaintenanceJob] =
            configuration.historyRetentionDays > 0 ? [.rollUp(configuration), .partitions(configuration)] : []
        let isProvisioning = configuration.historyMigrate && Provisioning(configuration).isNeeded
        return [.erasures(configuration), .events(configuration)]
            + (isProvisioning ? [.provisioning(configuration)] : []) + history
    }
}
