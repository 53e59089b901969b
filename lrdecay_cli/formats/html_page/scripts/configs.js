new TableView(byId("config-table"), "config", rowMatcher(byId("config-table")));
